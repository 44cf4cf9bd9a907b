"""The inverted residual block against torchvision's MobileNetV2 and EfficientNet, with their weights."""

from functools import partial

import pytest
import torch
from torch import nn

from convblocks import InvertedResidualBlock
from convblocks.targets.zoos import with_operators
from tests.analysis.memory.hooks import check
from tests.blocks.test_families import copy_in_order, scramble


@pytest.fixture(scope="module")
def theirs():
    def load():
        from torchvision.models import efficientnet, mobilenetv2

        return mobilenetv2, efficientnet

    return with_operators(load)


def assert_same(ours, theirs, channels):
    scramble(theirs)
    copy_in_order(theirs, ours)
    x = torch.randn(2, channels, 13, 10)
    for mode in (True, False):
        torch.testing.assert_close(ours.train(mode)(x), theirs.train(mode)(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("expansion", [1, 6])
@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(16, 16, 1), (16, 24, 1), (16, 16, 2), (8, 24, 2)])
def test_is_mobilenet_v2_s_block(theirs, inputs, outputs, stride, expansion):
    torch.manual_seed(0)
    depth = 2 if expansion == 1 else 3
    ours = InvertedResidualBlock(inputs, outputs, stride=stride, expansion=expansion, depth=depth)
    assert_same(ours, theirs[0].InvertedResidual(inputs, outputs, stride, expansion), inputs)


@pytest.mark.parametrize("expansion", [1, 4])
@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(16, 16, 1), (16, 24, 1), (8, 24, 2)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_is_efficientnet_s_mbconv(theirs, kernel, inputs, outputs, stride, expansion):
    torch.manual_seed(0)
    config = theirs[1].MBConvConfig(expansion, kernel, stride, inputs, outputs, 1)
    ours = InvertedResidualBlock(
        inputs,
        outputs,
        kernel,
        stride,
        expansion=expansion,
        depth=2 if expansion == 1 else 3,
        squeeze_excite=True,
        activation="silu",
    )
    assert_same(ours, theirs[1].MBConv(config, 0.0, partial(nn.BatchNorm2d)), inputs)


@pytest.mark.parametrize(("expansion", "depth"), [(1, 2), (1, 4), (6, 3), (6, 5)])
def test_depth_counts_every_convolution_of_the_main_path(expansion, depth):
    block = InvertedResidualBlock(4, 8, expansion=expansion, depth=depth, stride=2)
    convolutions = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == depth
    assert [conv.stride for conv in convolutions].count((2, 2)) == 1


def test_stochastic_depth_drops_only_what_a_shortcut_replaces():
    x = torch.randn(500, 4, 3, 3)
    dropped = InvertedResidualBlock(4, 4, stochastic_depth=0.5)(x) == x
    assert 0.35 < dropped.flatten(1).all(1).float().mean() < 0.65
    changed = InvertedResidualBlock(4, 8, stochastic_depth=0.5)(x)
    assert not (changed == 0).flatten(1).all(1).any()


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_keeps_for_backward_what_autograd_keeps_with_squeeze_excite(dims):
    for inputs, activation in ((4, "silu"), (8, "relu6")):
        block = InvertedResidualBlock(inputs, 8, squeeze_excite=True, activation=activation, dims=dims)
        check(block, (inputs, *(7,) * dims))

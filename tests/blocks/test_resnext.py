"""The ResNeXt block against torchvision's, the paper's closed form and its table 2."""

from importlib import import_module

import pytest
import torch
from torch import nn

from convblocks import BottleneckBlock, ResNeXtBlock
from convblocks.analysis import count
from convblocks.errors import OptionError
from convblocks.targets.zoos import with_operators
from tests.blocks.test_families import copy_in_order, scramble

SERIES = [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)]  # table 2


@pytest.mark.parametrize(("groups", "base_width"), [*SERIES, (32, 8)])
@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(256, 256, 1), (64, 256, 1), (256, 512, 2)])
def test_equals_torchvision_s_block_with_its_weights(inputs, outputs, stride, groups, base_width):
    bottleneck = with_operators(lambda: import_module("torchvision.models.resnet")).Bottleneck
    torch.manual_seed(0)
    projection = None
    if inputs != outputs or stride != 1:
        projection = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    theirs = bottleneck(inputs, outputs // 4, stride, projection, groups, base_width)
    ours = ResNeXtBlock(inputs, outputs, stride=stride, groups=groups, base_width=base_width)
    scramble(theirs)
    copy_in_order(theirs, ours)
    x = torch.randn(2, inputs, 6, 7)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("groups", "width"), SERIES)
def test_the_series_of_table_2_keeps_its_cost(groups, width):
    """C · (256·d + 3·3·d·d + d·256), equation 4, is about 70 k at any point of the series."""
    block = ResNeXtBlock(256, 256, groups=groups, base_width=width)
    weights = sum(p.numel() for p in block.parameters() if p.ndim == 4)
    assert weights == groups * (256 * width + 9 * width * width + width * 256)
    assert weights == pytest.approx(70_000, rel=0.025)
    with torch.device("meta"):
        assert (
            count(ResNeXtBlock(256, 256, groups=groups, base_width=width), (256, 14, 14)).macs
            == weights * 196
        )


def test_one_group_of_64_is_the_bottleneck():
    ours, bottleneck = ResNeXtBlock(64, 256, groups=1, base_width=64), BottleneckBlock(64, 256)
    ours.load_state_dict(bottleneck.state_dict())  # the same keys, too
    x = torch.randn(2, 64, 5, 5)
    assert torch.equal(ours(x), bottleneck(x))


def test_any_number_of_channels_fits_any_number_of_groups():
    for outputs, middle in ((1, 32), (63, 32), (127, 32), (128, 64), (1000, 480)):
        assert ResNeXtBlock(3, outputs).spatial[0].conv.out_channels == middle


def test_refusals():
    with pytest.raises(OptionError, match=r"depth=2: .*at least 3.*ResidualBlock"):
        ResNeXtBlock(4, 16, depth=2)
    with pytest.raises(OptionError, match=r"groups=0: .*at least 1"):
        ResNeXtBlock(4, 16, groups=0)
    with pytest.raises(OptionError, match=r"base_width=0: .*at least 1"):
        ResNeXtBlock(4, 16, base_width=0)
    with pytest.raises(OptionError, match=r"zero_init=True: .*choose a norm"):
        ResNeXtBlock(4, 16, zero_init=True, norm="none")

"""RepVGG blocks against the paper's figure written by hand, and before against after reparameterisation."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import BlockSpec, RepVGGBlock
from convblocks.blocks import reparameterize
from tests.blocks.test_families import scramble

SETTINGS = [
    {},
    {"depth": 3},
    {"stride": 2, "depth": 2},
    {"groups": 4, "depth": 2},
    {"dilation": 2, "kernel_size": 5},
    {"padding_mode": "reflect", "activation": "silu"},
]


def test_is_the_paper_s_sum_of_three_normed_branches():
    torch.manual_seed(0)
    block, x = RepVGGBlock(8, 8), torch.randn(4, 8, 7, 6)
    w = block.state_dict()
    key = "layers.0.convolution."

    def normed(y):
        return F.batch_norm(y, None, None, training=True)

    expected = normed(F.conv2d(x, w[key + "spatial.conv.weight"], padding=1))
    expected = expected + normed(F.conv2d(x, w[key + "pointwise.conv.weight"])) + normed(x)
    torch.testing.assert_close(block(x), expected.relu(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("outputs", [8, 16])
@pytest.mark.parametrize("options", SETTINGS)
def test_one_convolution_a_layer_gives_what_the_branches_gave(options, outputs, dims, dtype):
    torch.manual_seed(0)
    block = RepVGGBlock(8, outputs, dims=dims, **options).to(dtype).eval()
    scramble(block)
    x = torch.randn(2, 8, *(7,) * dims, dtype=dtype)
    expected = block(x)
    assert block.reparameterize() is block
    within = 1e-5 if dtype == torch.float32 else 1e-10
    torch.testing.assert_close(block(x), expected, rtol=within, atol=within)
    convolutions = [m for m in block.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d)]
    assert len(convolutions) == options.get("depth", 1)
    assert block.reparameterize()(x).equal(block(x))  # once more changes nothing
    built = RepVGGBlock(8, outputs, dims=dims, reparameterized=True, **options).to(dtype).eval()
    built.load_state_dict(block.state_dict())
    assert torch.equal(built(x), block(x))


def test_every_block_of_a_module_is_turned():
    net = nn.Sequential(BlockSpec("repvgg", depth=2).build(3, 8), nn.Sequential(RepVGGBlock(8, 8))).eval()
    scramble(net)
    x = torch.randn(2, 3, 9, 9)
    expected = net(x)
    assert reparameterize(net) is net
    assert not any(isinstance(m, nn.BatchNorm2d) for m in net.modules())
    torch.testing.assert_close(net(x), expected, rtol=1e-5, atol=1e-5)


def test_what_was_frozen_stays_frozen():
    frozen, learning = RepVGGBlock(8, 8).requires_grad_(False), RepVGGBlock(8, 8).requires_grad_(False)
    learning.layers[0].convolution.identity.weight.requires_grad_(True)
    for block, learns in ((frozen, False), (learning, True)):
        merged = block.reparameterize().layers[0].convolution
        assert (merged.weight.requires_grad, merged.bias.requires_grad) == (learns, learns)

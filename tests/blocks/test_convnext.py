"""The ConvNeXt block against torchvision's CNBlock and its downsampling layer, with their weights."""

import pytest
import torch
from torch import nn

from convblocks import ConvNeXtBlock
from convblocks.targets.zoos import with_operators
from tests.blocks.test_families import copy_in_order


@pytest.fixture(scope="module")
def theirs():
    def load():
        from torchvision.models import convnext

        return convnext

    return with_operators(load)


def copy_unit(unit, ours):
    """A linear layer of theirs is a 1×1 convolution of ours."""
    keys = {"spatial.0.conv": "block.0", "spatial.0.norm": "block.2", "expand.conv": "block.3"}
    keys["project.conv"] = "block.5"
    found, wanted = unit.state_dict(), ours.state_dict()
    for our_key, their_key in keys.items():
        for name in ("weight", "bias"):
            key = f"{our_key}.{name}"
            wanted[key] = found[f"{their_key}.{name}"].view(wanted[key].shape)
    wanted["layer_scale.scale"] = found["layer_scale"].flatten()
    ours.load_state_dict(wanted)


@pytest.mark.parametrize(("inputs", "stride"), [(16, 1), (16, 2), (8, 1), (8, 2), (8, 4)])
def test_is_convnext_s_unit_behind_its_downsampling_layer(theirs, inputs, stride):
    torch.manual_seed(0)
    unit = theirs.CNBlock(16, 0.7, 0.0)
    ours = ConvNeXtBlock(inputs, 16, stride=stride)
    copy_unit(unit, ours)
    x = torch.randn(2, inputs, 12, 8)
    down = nn.Identity()
    if (inputs, stride) != (16, 1):
        down = nn.Sequential(theirs.LayerNorm2d(inputs, eps=1e-6), nn.Conv2d(inputs, 16, stride, stride))
        nn.init.uniform_(down[0].weight, 0.5, 1.5)
        copy_in_order(down, ours.downsample)
    torch.testing.assert_close(ours(x), unit(down(x)), rtol=1e-5, atol=1e-5)


def test_a_window_cut_by_the_edge_is_filled_with_zeros():
    down = ConvNeXtBlock(4, 8, stride=2).downsample
    x = torch.randn(1, 4, 7, 5)
    filled = nn.functional.pad(down.norm(x), (0, 1, 0, 1))
    assert torch.equal(down(x), down.conv(filled))


def test_starts_as_its_downsampling_layer():
    block, x = ConvNeXtBlock(4, 8, stride=2, layer_scale=0.0), torch.randn(2, 4, 6, 6)
    assert torch.equal(block(x), block.downsample(x))


@pytest.mark.parametrize("depth", [3, 5])
def test_depth_counts_the_convolutions_under_the_shortcut(depth):
    block = ConvNeXtBlock(8, 8, depth=depth)
    assert sum(isinstance(m, nn.Conv2d) for m in block.modules()) == depth

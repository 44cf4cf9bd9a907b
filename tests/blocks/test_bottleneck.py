"""The bottleneck's widths, and its start as its shortcut."""

from importlib import import_module

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convblocks import BottleneckBlock
from convblocks.blocks.bottleneck import middle_channels
from convblocks.errors import OptionError
from convblocks.targets.zoos import with_operators

Bottleneck = with_operators(lambda: import_module("torchvision.models.resnet")).Bottleneck


@given(st.integers(1, 64), st.integers(1, 8), st.integers(1, 8))
def test_groups_that_do_not_divide_the_middle_are_refused_with_a_width_that_fits(
    out_channels, expansion, groups
):
    middle = max(1, out_channels // expansion)
    if middle % groups == 0:
        assert middle_channels(out_channels, expansion, groups) == middle
        return
    with pytest.raises(OptionError, match=f"out_channels={expansion * groups} would fit"):
        middle_channels(out_channels, expansion, groups)
    assert middle_channels(expansion * groups, expansion, groups) == groups


def test_parameters_are_torchvision_s():
    ours, theirs = BottleneckBlock(256, 256), Bottleneck(256, 64)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


@pytest.mark.parametrize("training", [True, False])
def test_zero_init_starts_as_its_shortcut(training):
    x = torch.rand(2, 16, 5, 5)
    torch.testing.assert_close(BottleneckBlock(16, 16, zero_init=True).train(training)(x), x)

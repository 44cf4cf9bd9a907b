"""The main path of bottlenecks: 1×1 reduce, k×k spatial, 1×1 expand."""

import pytest
from torch import nn

from convblocks.errors import OptionError
from convblocks.layers import bottleneck_depth, bottleneck_layers

OPTIONS = {"dilation": 1, "groups": 1, "bias": None, "norm": "batch", "padding_mode": "zeros", "dims": 2}


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_all_but_two_convolutions_are_spatial_and_the_first_of_them_strides(depth):
    parts = bottleneck_layers(depth, (64, 16, 32), 3, 2, None, activation="relu", **OPTIONS)
    reduce, spatial, expand = ([m for m in part.modules() if isinstance(m, nn.Conv2d)] for part in parts)
    assert [(c.in_channels, c.out_channels, c.kernel_size) for c in (*reduce, *expand)] == [
        (64, 16, (1, 1)),
        (16, 32, (1, 1)),
    ]
    assert [c.stride for c in spatial] == [(2, 2), *[(1, 1)] * (depth - 3)]
    assert {(c.in_channels, c.out_channels, c.kernel_size) for c in spatial} == {(16, 16, (3, 3))}
    assert not isinstance(parts[2].activation, nn.ReLU)


def test_two_layers_leave_no_spatial_one():
    with pytest.raises(OptionError, match="at least one k×k"):
        bottleneck_depth(2)

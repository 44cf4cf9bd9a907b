"""The simple block's parameters, by hand."""

import pytest

from convblocks import (
    SimpleConvBlock,
)


@pytest.mark.parametrize(("depth", "parameters"), [(1, 3 * 8 * 9), (3, 3 * 8 * 9 + 2 * 8 * 8 * 9)])
def test_parameters_of_a_simple_block_by_hand(depth, parameters):
    assert sum(p.numel() for p in SimpleConvBlock(3, 8, depth=depth).parameters()) == parameters + depth * 16

"""Pools halve a map."""

import pytest
import torch

from convblocks import (
    SimpleConvBlock,
)


@pytest.mark.parametrize("pool", ["max", "average", "blur"])
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_pools_halve_and_keep_a_constant(pool, dims, n):
    block = SimpleConvBlock(2, 2, depth=1, pool=pool, dims=dims)
    out = block.pool(torch.full((1, 2, *(n,) * dims), 3.0))
    assert out.shape == (1, 2, *(-(-n // 2),) * dims)
    torch.testing.assert_close(out, torch.full_like(out, 3.0))

"""Stochastic depth drops whole examples and keeps the mean."""

import pytest
import torch

from convblocks import (
    BottleneckBlock,
    ResidualBlock,
)


@pytest.mark.parametrize("family", [ResidualBlock, BottleneckBlock])
def test_stochastic_depth_keeps_the_mean_and_drops_whole_examples(family):
    torch.manual_seed(0)
    block = family(4, 4, stochastic_depth=0.75, activation="none", norm="none")
    x = torch.randn(1, 4, 5, 5).expand(4000, -1, -1, -1)
    with torch.no_grad():
        expected, found = block.eval()(x[:1]), block.train()(x)
    dropped = (found == x).flatten(1).all(1).float().mean()
    assert dropped.item() == pytest.approx(0.75, abs=0.03)
    torch.testing.assert_close(found.mean(0, keepdim=True), expected, rtol=0, atol=0.15)

"""A learnt scale multiplies the branch."""

import pytest
import torch
from torch import nn

from convblocks.blocks import BottleneckBlock, ResidualBlock
from convblocks.errors import OptionError


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("family", [ResidualBlock, BottleneckBlock])
def test_the_scale_is_a_factor_of_the_branch_and_no_key_without_it(family):
    block = family(8, 8, branch_scale="one", activation="none").eval()
    plain = family(8, 8, activation="none").eval()
    assert set(block.state_dict()) - set(plain.state_dict()) == {"branch_scale.scale"}
    plain.load_state_dict(block.state_dict(), strict=False)
    x = torch.randn(2, 8, 5, 5)
    assert torch.equal(block(x), plain(x))
    nn.init.constant_(block.branch_scale.scale, 3.0)
    torch.testing.assert_close(block(x) - x, 3 * (plain(x) - x), rtol=1e-4, atol=1e-5)


def test_two_factors_at_zero_are_refused():
    with pytest.raises(OptionError, match=r"branch_scale='zero': .*zero_init=True sets too"):
        ResidualBlock(8, 8, zero_init=True, branch_scale="zero")
    with pytest.raises(OptionError, match="branch_scale='half': expected none, zero or one"):
        BottleneckBlock(8, 8, branch_scale="half")

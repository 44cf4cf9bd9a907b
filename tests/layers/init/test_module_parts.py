"""The parts of a module that initialisations act on."""

import copy

import pytest
import torch
from torch import nn

from convblocks import BLOCKS
from convblocks.layers.attention_gates import SqueezeExcite
from convblocks.layers.init import initialise_


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


class _GatedInside(nn.Module):
    """A block of one's own that gates within its main path."""

    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1), SqueezeExcite(8, 2))
        self.shortcut = nn.Identity()

    def forward(self, x):
        return self.main(x) + self.shortcut(x)


def test_fixup_knows_gates_within_the_main_path():
    block = _GatedInside()
    initialise_(block, "fixup")
    x = torch.randn(2, 8, 5, 5)
    assert torch.equal(block(x), x)
    assert block.main[2].excite.weight.any()


def test_fixup_counts_each_function_of_a_reversible_block_as_a_branch():
    torch.manual_seed(1)
    plain = BLOCKS["reversible"](8, 8, depth=8, norm="none")
    he, fixed = (copy.deepcopy(plain) for _ in "12")
    torch.manual_seed(1)
    initialise_(he, "he_normal")
    torch.manual_seed(1)
    initialise_(fixed, "fixup")
    for before, after in zip(he.functions, fixed.functions, strict=True):  # 4 branches of 2 convolutions
        torch.testing.assert_close(after[0].conv.weight, 4**-0.5 * before[0].conv.weight)
        assert not after[1].conv.weight.any()

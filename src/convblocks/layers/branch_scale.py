"""A learnt scalar on a residual branch, so that a block can start as its shortcut, or nearly so, without a norm.

SkipInit (De & Smith 2020, arXiv:2002.10444) and ReZero (Bachlechner et al. 2020, arXiv:2003.04887) start it at 0,
Fixup (Zhang et al. 2019, arXiv:1901.09321) at 1.
"""

from collections.abc import Callable

import torch
from torch import nn

from convblocks.checks import one_of, truth
from convblocks.errors import OptionError


class BranchScale(nn.Module):
    """scale · x with one learnt number; any shape → the same."""

    def __init__(self, start: float):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(start))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x


BRANCH_SCALES: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "zero": lambda: BranchScale(0.0),
    "one": lambda: BranchScale(1.0),
}


def make_branch_scale(name: str, *, zero_init: bool = False) -> nn.Module:
    """Returns the scale of that name.

    Raises OptionError beside `zero_init`: two factors at 0 give each other no gradient.
    """
    if truth("zero_init", zero_init) and one_of("branch_scale", name, BRANCH_SCALES) != "none":
        raise OptionError(
            "branch_scale",
            name,
            "scales the branch, whose start zero_init=True sets too; leave one of them out",
        )
    return BRANCH_SCALES[one_of("branch_scale", name, BRANCH_SCALES)]()

"""The processor that kernels run on, by which the workspace of an op differs."""

from collections.abc import Set
from typing import TYPE_CHECKING

import torch

from convblocks.analysis.memory.kernels import LANES

if TYPE_CHECKING:
    from convblocks.analysis.trace.graph import OpCall


class Workspace:
    """The workspace of ops on processors that have an instruction set, which may be one that is not modelled."""

    def __init__(self, instruction_set: str) -> None:
        self.lanes = LANES.get(instruction_set, 0)
        self.threads = torch.get_num_threads()
        self.modelled = True  # until a convolution comes whose kernels are not known

    def forward_bytes(self, call: "OpCall") -> int:
        """Returns what a call holds at most besides its inputs and its output."""
        rule = call.entry.workspace
        return rule.forward(self, call) if rule else 0

    def backward_bytes(self, call: "OpCall", needs: Set[int]) -> int:
        """Returns what its backward pass holds at most besides the gradients that it is given and returns."""
        rule = call.entry.workspace
        return rule.backward(self, call, needs) if rule else 0

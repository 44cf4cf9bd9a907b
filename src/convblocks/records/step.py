"""The record of `step_memory`: the most that a training step holds, part by part."""

from typing import Any, Literal

import msgspec
from msgspec import Struct

Phase = Literal["forward", "backward", "step"]


class StepMemory(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Predicted memory of one training step of a batch on a CPU, with the workspace of its kernels.

    The peak is the sum of what is held all the time (parameters, buffers, inputs, the optimizer's state) and of the
    four parts that are held at its moment, whose names begin with ``peak_``.
    """

    module: str  # its class
    input_sizes: tuple[tuple[int, ...], ...]  # without the batch axis
    dtypes: tuple[str, ...]
    batch: int
    optimizer: str
    param_bytes: int
    buffer_bytes: int
    input_bytes: int
    optimizer_bytes: int  # its state
    gradient_bytes: int  # of all parameters that learn, at the end of backward
    saved_bytes: int  # kept for backward, at the end of forward; without inputs, parameters and buffers
    tensor_bytes: int  # the most that tensors alone take, as PyTorch's allocators count them
    peak_bytes: int
    peak_phase: Phase
    peak_at: str  # path of the module that runs then
    peak_gradient_bytes: int  # of parameters
    peak_saved_bytes: int
    peak_transient_bytes: int  # maps on their way to the next op, and gradients of maps
    peak_workspace_bytes: int  # what a kernel takes while it runs
    instruction_set: str  # of the processor that it is for, such as AVX2
    workspace_note: (
        str  # "workspace not modelled for SSE41", where that of convolutions is not known; else empty
    )
    unsaved_ops: tuple[str, ...]  # of which it is not known what they keep

    @property
    def lower_bound(self) -> bool:
        """True if something is left out, so that a step takes at least this."""
        return bool(self.unsaved_ops or self.workspace_note)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain tables, lists and numbers, as `--json` prints them."""
        table: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        return table

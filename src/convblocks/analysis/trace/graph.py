"""The parts of a trace: values, the calls of ops between them, and the module calls that these belong to."""

from collections.abc import Hashable, Mapping
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from msgspec import Struct
from torch import nn

from convblocks.layout import Layout, parse_axes

if TYPE_CHECKING:
    from convblocks.analysis.ops.op import Op

Shape = tuple[int, ...]


class Value(Struct, frozen=True, gc=False):
    """A tensor of the trace, by number; `shape` includes the batch axis.

    Values of one `storage` share memory: views, and what an in-place op makes of its input.
    """

    number: int
    shape: Shape
    dtype: torch.dtype
    storage: int
    stride: tuple[int, ...] = ()

    @property
    def elements(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """The bytes of its elements; a view counts what it shows."""
        return prod(self.shape) * self.dtype.itemsize

    def folds(self, axes: int) -> bool:
        """Returns whether the first `axes` axes can be taken as one without a copy."""
        large = [(n, step) for n, step in zip(self.shape[:axes], self.stride, strict=False) if n > 1]
        return all(above == n * step for (_, above), (n, step) in pairwise(large))


class OpCall(Struct, frozen=True, eq=False):
    """One call of a torch function, its tensors replaced by Values."""

    name: str  # of the function: conv2d, batch_norm, add, …
    path: str  # of the module it was called in: layer1.0.conv1
    call: int  # the same as an index into Trace.calls
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    entry: "Op"  # what is known of the function, in OPS
    checkpoint: int = 0  # number of the checkpointed segment it runs in; 0 outside
    no_grad: bool = False  # whether the module has switched gradients off there
    function: int = (
        0  # number of the custom autograd.Function it runs in, whose own backward it has; 0 outside
    )

    def __getitem__(self, name: str) -> Any:
        """Returns an argument by its name, as the op's entry has it; its default where the call leaves it out."""
        position, default = self.entry.parameters[name]
        return self.args[position] if len(self.args) > position else self.kwargs.get(name, default)

    def get(self, name: str, default: Any = None) -> Any:
        """Returns an argument by its name, or a default for ops that have no such argument."""
        return self[name] if name in self.entry.parameters else default

    @property
    def in_place(self) -> bool:
        """Returns whether it writes into its first input."""
        return self.entry.in_place(self.name, self.kwargs)


class Call(Struct):
    """One call of a module: its ops are ops[start:stop], those of the modules it calls included."""

    path: str
    type: str
    parent: int  # index of the call it was made in; −1 for the whole module
    start: int
    stop: int = -1
    leaf: bool = True  # whether it calls no module


class Parameter(Struct, frozen=True, gc=False):
    """A parameter of the module that some op reads."""

    name: str
    trainable: bool


class Trace(Struct, frozen=True, eq=False, dict=True):
    """One forward pass of a module, op by op: what every analysis reads.

    It holds the module itself, whose weights some analyses look at. It describes the module as it was: trace anew
    after a change. What several analyses need is kept with it (`once_per_trace`), and goes when it goes.
    """

    module: nn.Module
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    ops: tuple[OpCall, ...]  # in order of execution
    calls: tuple[Call, ...]  # in order of their beginning; calls[0] is the whole module
    parameters: Mapping[int, Parameter]  # by the number of their Value
    held: frozenset[int]  # storages that the module has in any case: parameters and buffers
    saves: Mapping[int, tuple[Value, ...]]  # what each custom autograd.Function saves, by its number
    axes: str | None = None  # names of the first input's axes, where its user gave them

    @cached_property
    def layout(self) -> Layout | None:
        """The meaning of each axis of the first input, where its user named them."""
        return None if self.axes is None else parse_axes(self.axes)

    @property
    def input(self) -> Value:
        """The first input."""
        return self.inputs[0]

    @property
    def batch(self) -> int:
        """Examples in the batch that was traced."""
        return self.input.shape[self.layout.batch if self.layout else 0]

    @property
    def input_size(self) -> Shape:
        """The first input's shape without the batch axis."""
        batch = self.layout.batch if self.layout else 0
        return self.input.shape[:batch] + self.input.shape[batch + 1 :]

    @property
    def input_sizes(self) -> tuple[Shape, ...]:
        """The shapes of all inputs without the batch axis."""
        return self.input_size, *(value.shape[1:] for value in self.inputs[1:])

    @property
    def dtypes(self) -> tuple[torch.dtype, ...]:
        """The dtypes of all inputs."""
        return tuple([value.dtype for value in self.inputs])

    @property
    def output(self) -> Value:
        """The first output."""
        return self.outputs[0]

    @cached_property
    def makers(self) -> Mapping[int, OpCall]:
        """By the number of a value: the op that made it."""
        return {value.number: op for op in self.ops for value in op.outputs}

    @cached_property
    def results(self) -> dict[Hashable, Any]:
        """The results that `once_per_trace` keeps, by function and options."""
        return {}

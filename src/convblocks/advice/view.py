"""A module and its trace, with the questions that rules ask: who made a value, who reads it, and through what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import nn

from convblocks.analysis.analyze import analyze
from convblocks.analysis.fields.receptive_field import Field, receptive_fields, spatial_axes
from convblocks.analysis.ops import CONVOLUTIONS, LINEAR, TRANSPOSED, UP_SAMPLING
from convblocks.analysis.trace import Failed, OpCall, Trace, Value, once_per_trace, retrace
from convblocks.analysis.trace.graph import Shape
from convblocks.analysis.trace.several_examples import SEVERAL
from convblocks.errors import OptionError, TraceError
from convblocks.records import Analysis, Severity, Symptom
from convblocks.signal.diagnose import signal

WEIGHTED = CONVOLUTIONS.keys() | TRANSPOSED.keys() | LINEAR
RESAMPLED = TRANSPOSED.keys() | UP_SAMPLING

BATCH = 16  # random inputs that the signal is measured with


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One place where a rule is broken; the id of the rule, and its severity by default, are added to it."""

    place: str  # module path
    message: str
    fix: str
    figures: Mapping[str, int | float | str]
    severity: Severity | None = None


@dataclass(frozen=True)
class View:
    """A trace with the questions that rules ask of it, and how its forward failed, where it did."""

    trace: Trace  # until it failed, where it did
    failed: Failed | None = None

    @property
    def module(self) -> nn.Module:
        """The module that was traced."""
        return self.trace.module

    @property
    def input_sizes(self) -> tuple[Shape, ...]:
        """The sizes of its inputs, without the batch axis."""
        return self.trace.input_sizes

    @cached_property
    def several(self) -> Trace | Failed:
        """The trace of a batch of several examples: a forward of its own."""
        return retrace(self.trace, batch=SEVERAL)

    def attempt(self, sizes: Sequence[Sequence[int]]) -> Trace | Failed:
        """Returns the trace of inputs of other sizes."""
        return retrace(self.trace, *sizes)

    @cached_property
    def makers(self) -> Mapping[int, OpCall]:
        """The op that made a value, by its number."""
        return self.trace.makers

    @cached_property
    def readers(self) -> dict[int, list[OpCall]]:
        """The ops that read a value, by its number."""
        readers: dict[int, list[OpCall]] = {}
        for op in self.trace.ops:
            read = op.inputs[:1] if op.entry.like else op.inputs
            for number in {value.number for value in read}:
                readers.setdefault(number, []).append(op)
        return readers

    @cached_property
    def given_out(self) -> frozenset[int]:
        """The numbers of the values that the module gives out."""
        return frozenset(value.number for value in self.trace.outputs)

    @cached_property
    def fields(self) -> Mapping[int, Field]:
        """Receptive fields without what gates show of the whole image."""
        return receptive_fields(self.trace, through_gates=False)

    def field(self, value: Value) -> Field:
        """Returns the receptive field of a value; unknown where it does not depend on the first input."""
        field = self.fields.get(value.number)
        return (None,) * len(spatial_axes(self.trace)) if field is None else field

    @cached_property
    def analysis(self) -> Analysis:
        """The record of `analyze`."""
        return analyze(self.trace)

    @cached_property
    def symptoms(self) -> tuple[Symptom, ...]:
        """The symptoms of the signal of a batch of random inputs; see the package signal."""
        if len(self.input_sizes) > 1:
            raise TraceError(
                f"the signal is measured with one input, and {type(self.module).__name__} takes several"
            )
        if not self.trace.input.dtype.is_floating_point:
            kind = str(self.trace.input.dtype).removeprefix("torch.")
            raise TraceError(
                f"the signal (CB4) is measured with random floating-point inputs, and {type(self.module).__name__} is "
                f"given {kind}: leave CB4 out, or look at the part behind its embedding"
            )
        if self.trace.layout is not None and self.trace.layout.batch:
            raise OptionError(
                "axes", self.trace.axes, "the signal (CB4) is measured with the batch first: leave CB4 out"
            )
        generator = torch.Generator().manual_seed(0)
        return signal(self.module, torch.randn(BATCH, *self.input_sizes[0], generator=generator)).symptoms

    @cached_property
    def depending(self) -> frozenset[int]:
        """The numbers of the values that depend on an input of the module."""
        return depending(self.trace)

    def maps(self, op: OpCall) -> list[Value]:
        """Returns what an op reads, without weights and constants."""
        return [value for value in op.inputs if value.number in self.depending]

    def maker(self, value: Value) -> OpCall | None:
        """Returns the op that a value comes from, past ops that change no value; None for an input or a weight."""
        op = self.makers.get(value.number)
        while op is not None and op.entry.keeps_values:
            op = self.makers.get(op.inputs[0].number)
        return op

    def uses(self, value: Value) -> list[OpCall]:
        """Returns the ops that read a value, past ops that change none."""
        uses: list[OpCall] = []
        for op in self.readers.get(value.number, ()):
            uses += self.uses(op.outputs[0]) if op.entry.keeps_values else [op]
        return uses

    def only_uses(self, value: Value) -> list[OpCall]:
        """Returns the same; none if the module gives the value out too."""
        leaves = value.number in self.given_out
        return [] if leaves else self.uses(value)

    def weighted(self) -> Iterator[OpCall]:
        """Yields convolutions, transposed or not, and linear layers."""
        return (op for op in self.trace.ops if op.name in WEIGHTED)

    def convolutions(self) -> Iterator[OpCall]:
        """Yields convolutions."""
        return (op for op in self.trace.ops if op.name in CONVOLUTIONS)


@once_per_trace
def depending(trace: Trace) -> frozenset[int]:
    """Returns the numbers of the values that depend on an input."""
    numbers = {value.number for value in trace.inputs}
    for op in trace.ops:
        if any(value.number in numbers for value in op.inputs):
            numbers.update(value.number for value in op.outputs)
    return frozenset(numbers)


def named(path: str, else_: str = "the whole module") -> str:
    """Returns a module path, or other text for the empty path of the whole module."""
    return path or else_

"""Receptive field per axis, exactly: output i sees inputs step·i + lo … step·i + hi.

Every value of a trace carries, for each spatial axis of the input, where in the tensor that axis runs and
(step, lo, hi), or ALL once an op has mixed the whole axis. Branches meet by union. Up-sampling gives
fractions: the inputs seen are the whole numbers within. What no rule covers is unknown, never guessed.
"""

from fractions import Fraction
from typing import Literal

from convblocks.analysis.axes import ALL, Axis, Number, State
from convblocks.analysis.field_rules import through
from convblocks.analysis.trace import Trace, Value

Field = tuple[State, ...]
Seen = tuple[Number, Number, Number] | Literal["all"] | None


def receptive_field(seen: Trace) -> tuple[Seen, ...]:
    """(step, lo, hi) per spatial axis of the input, of the trace's output.

    "all" where it sees the whole input, None where an op without a rule stands before it.
    """
    return readable(receptive_fields(seen).get(seen.output.number, (None,) * (len(seen.input.shape) - 2)))


def receptive_fields(seen: Trace) -> dict[int, Field]:
    """The same for every value that depends on the first input, by its number."""
    fields: dict[int, Field] = {seen.input.number: _start(seen.input)}
    for op in seen.ops:
        reached = [v for v in op.inputs if v.number in fields]
        if not reached:
            continue  # only parameters and constants
        for i, value in enumerate(op.outputs):
            fields[value.number] = tuple(
                through(op, [(v, fields[v.number][axis]) for v in reached], value, i)
                for axis in range(len(seen.input.shape) - 2)
            )
    return fields


def readable(field: Field) -> tuple[Seen, ...]:
    """Axes without where in the tensor they run."""
    return tuple((_plain(a.step), _plain(a.lo), _plain(a.hi)) if isinstance(a, Axis) else a for a in field)


def _start(value: Value) -> Field:
    return tuple(Axis.along(value.shape, place, 1, 0, 0) for place in range(2, len(value.shape)))


def _plain(number: Number) -> Number:
    return int(number) if isinstance(number, Fraction) and number.denominator == 1 else number


__all__ = ["ALL", "Axis", "Field", "readable", "receptive_field", "receptive_fields"]

"""Receptive field per axis, exactly: output i sees inputs step·i + lo … step·i + hi.

Every value of a trace carries, for each spatial axis of the input, where in the tensor that axis runs (axes.py) and
what its positions see (sight.py), or that it sees all once an op has mixed the whole axis. Branches meet by union.
What is told is the narrowed form of that: after up-sampling, step is a fraction, and the inputs seen are the whole
numbers within. What no rule covers is unknown, never guessed.
"""

from typing import Literal

from convblocks.analysis.fields.axes import ALL, POOLED, Axis, State, start
from convblocks.analysis.fields.field_rules import through
from convblocks.analysis.fields.sight import Number, hull
from convblocks.analysis.rules import FRESH, LIKE, POINTWISE
from convblocks.analysis.trace import Op, Trace, Value

Seen = tuple[Number, Number, Number] | Literal["all"] | None
"""(step, lo, hi) of one axis; "all": the whole input; None: an op without a rule stands before it."""
Field = tuple[Seen, ...]
"""One for each spatial axis of the first input."""
States = tuple[State, ...]


def receptive_field(seen: Trace, *, through_gates: bool = True) -> Field:
    """(step, lo, hi) per spatial axis of the first input, of the trace's first output; see `receptive_fields`."""
    unknown = (None,) * (len(seen.input.shape) - 2)
    return receptive_fields(seen, through_gates=through_gates).get(seen.output.number, unknown)


def receptive_fields(seen: Trace, *, through_gates: bool = True) -> dict[int, Field]:
    """The same for every value that depends on the first input, by its number.

    through_gates=False leaves out what reaches a position only through a factor that is the same at every position
    and sees all, as in squeeze-excite (Hu et al. 2018), and through a norm's statistics of the whole map (group_norm,
    instance_norm): after the first of them "all" would tell nothing of the layers.
    """
    fields = states(seen, through_gates=through_gates)
    told: dict[int, Field] = {}  # by id of a field: many values share one
    for field in fields.values():
        if id(field) not in told:
            told[id(field)] = tuple(map(_readable, field))
    return {number: told[id(field)] for number, field in fields.items()}


def states(seen: Trace, *, through_gates: bool = True) -> dict[int, States]:
    """The same in full: where each axis runs in a value, and what every single position of it sees."""
    fields: dict[int, States] = {
        seen.input.number: tuple(start(seen.input.shape, p) for p in range(2, len(seen.input.shape)))
    }
    for op in seen.ops:
        reached = [
            (i, value, fields[value.number]) for i, value in enumerate(op.inputs) if value.number in fields
        ]
        if op.name in LIKE:
            reached = [each for each in reached if each[0] == 0]
        if not reached or op.name in FRESH:
            continue  # only parameters and constants
        for out in op.outputs:
            fields[out.number] = _through(op, reached, out, through_gates)
    return fields


def _through(op: Op, reached: list[tuple[int, Value, States]], out: Value, gates: bool) -> States:
    _, value, field = reached[0]
    if len(reached) == 1 and value.shape == out.shape and op.name in POINTWISE:
        return field
    return tuple(
        through(op, [(i, value, field[axis]) for i, value, field in reached], out, gates=gates)
        for axis in range(len(field))
    )


def _readable(state: State) -> Seen:
    if isinstance(state, Axis):
        return hull(state.sight) if state.sight else None
    return ALL if state == POOLED else state


__all__ = ["Field", "Seen", "receptive_field", "receptive_fields", "states"]

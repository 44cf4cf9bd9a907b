"""Receptive field per axis, exactly: output i sees inputs step·i + lo … step·i + hi.

Every value of a trace carries, for each spatial axis of the input, the tensor axis it lies along and
(step, lo, hi), or ALL once an op has mixed the whole axis. Branches meet by union.
"""

from dataclasses import dataclass
from typing import Literal

from convblocks.analysis.rules import GLOBAL, POINTWISE, REDUCTIONS, Window, argument, windows
from convblocks.analysis.trace import Op, Trace

ALL: Literal["all"] = "all"


@dataclass(frozen=True, slots=True)
class Axis:
    """How a tensor axis sees one spatial axis of the input."""

    place: int  # which axis of the tensor
    step: int
    lo: int
    hi: int


Field = tuple[Axis | Literal["all"], ...]


def receptive_field(seen: Trace) -> tuple[tuple[int, int, int] | Literal["all"] | None, ...]:
    """(step, lo, hi) per spatial axis of the trace's output; "all" where it sees the whole input.

    None for each axis if an op without a rule stands before it.
    """
    dims = len(seen.input.shape) - 2
    fields: dict[int, Field | None] = {
        seen.input.number: tuple(Axis(2 + axis, 1, 0, 0) for axis in range(dims))
    }
    for op in seen.ops:
        reached = [v for v in op.inputs if v.number in fields]
        if not reached:
            continue  # only parameters and constants
        incoming = [fields[v.number] for v in reached]
        known = [field for field in incoming if field is not None]
        outgoing = _through(op, known, len(reached[0].shape)) if len(known) == len(incoming) else None
        for value in op.outputs:
            fields[value.number] = outgoing
    field = fields.get(seen.output.number)
    if field is None:
        return (None,) * dims
    return tuple(ALL if axis == ALL else (axis.step, axis.lo, axis.hi) for axis in field)


def _through(op: Op, incoming: list[Field], rank: int) -> Field | None:
    """The field of an op's output; None without a rule."""
    field = incoming[0]
    for other in incoming[1:]:
        met = tuple(map(_union, field, other))
        if None in met:
            return None
        field = tuple(axis for axis in met if axis is not None)
    if seen := windows(op):
        first = rank - len(seen)
        return tuple(ALL if a == ALL else _slide(a, seen[a.place - first]) for a in field)
    if op.name in POINTWISE:
        return field
    if op.name in GLOBAL:
        return (ALL,) * len(field)
    if op.name in REDUCTIONS:
        return _reduce(op, field, rank)
    if op.name in _SHAPE_RULES:
        return _SHAPE_RULES[op.name](op, field, rank)
    return (ALL,) * len(field) if all(a == ALL for a in field) else None


def _slide(axis: Axis, window: Window) -> Axis:
    lo = axis.lo - axis.step * window.padding
    reach = axis.step * window.dilation * (window.size - 1)
    return Axis(axis.place, axis.step * window.stride, lo, axis.hi - axis.step * window.padding + reach)


def _union(a: Axis | Literal["all"], b: Axis | Literal["all"]) -> Axis | Literal["all"] | None:
    if a == ALL or b == ALL:
        return ALL
    if (a.place, a.step) != (b.place, b.step):
        return None  # branches that run along the input at different speeds
    return Axis(a.place, a.step, min(a.lo, b.lo), max(a.hi, b.hi))


def _reduce(op: Op, field: Field, rank: int) -> Field:
    given = argument(op, 1, "dim")
    gone = range(rank) if given is None else [given] if isinstance(given, int) else given
    places = {place % rank for place in gone}
    kept = argument(op, 2, "keepdim", False)
    return tuple(
        ALL
        if a == ALL or a.place in places
        else Axis(a.place if kept else a.place - sum(p < a.place for p in places), a.step, a.lo, a.hi)
        for a in field
    )


def _moved(order: list[int], field: Field) -> Field:
    """`order[new place] = old place`, as in permute."""
    return tuple(ALL if a == ALL else Axis(order.index(a.place), a.step, a.lo, a.hi) for a in field)


def _movedim(op: Op, field: Field, rank: int) -> Field:
    source, target = argument(op, 1, "source") % rank, argument(op, 2, "destination") % rank
    order = [place for place in range(rank) if place != source]
    order.insert(target, source)
    return _moved(order, field)


def _permute(op: Op, field: Field, rank: int) -> Field:
    given = op.args[1] if isinstance(op.args[1], tuple | list) else op.args[1:]
    return _moved([place % rank for place in given], field)


def _transpose(op: Op, field: Field, rank: int) -> Field:
    a, b = argument(op, 1, "dim0") % rank, argument(op, 2, "dim1") % rank
    order = list(range(rank))
    order[a], order[b] = b, a
    return _moved(order, field)


def _pad(op: Op, field: Field, rank: int) -> Field:
    """Any mode: away from the border every mode only shifts."""
    amounts = argument(op, 1, "pad")
    shifts = {rank - 1 - i // 2: amounts[i] for i in range(0, len(amounts), 2)}
    moved = []
    for a in field:
        shift = 0 if a == ALL else a.step * shifts.get(a.place, 0)
        moved.append(a if a == ALL else Axis(a.place, a.step, a.lo - shift, a.hi - shift))
    return tuple(moved)


def _flatten(op: Op, field: Field, rank: int) -> Field | None:
    """Only what has been mixed already, or maps of a single axis, keeps a meaning when flattened."""
    first, last = argument(op, 1, "start_dim", 0) % rank, argument(op, 2, "end_dim", -1) % rank
    if all(a == ALL or not first <= a.place <= last for a in field):
        return field
    return field if first == last else None


_SHAPE_RULES = {
    "movedim": _movedim,
    "permute": _permute,
    "transpose": _transpose,
    "pad": _pad,
    "flatten": _flatten,
}

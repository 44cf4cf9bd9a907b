"""Indexing: positions taken, or written, by number, slice, mask or data."""

from typing import Any

from convblocks.analysis.fields.axes import Axis, State, along, lost, placed, stretched, taken
from convblocks.analysis.fields.sight import reading
from convblocks.analysis.fields.windows import sliced, without
from convblocks.analysis.ops.op import (
    AS_FUNCTION,
    UNKNOWN,
    FieldRule,
    Op,
    SavedRule,
    Unknown,
    add,
    plain_name,
)
from convblocks.analysis.ops.shared_rules import (
    Incoming,
    each_input,
    keeps_indices,
    keeps_inputs,
    keeps_nothing,
    same_position,
    unmoved,
)
from convblocks.analysis.trace.graph import OpCall, Value

GET, SET, SELECT, EMBEDDING = "__getitem__", "__setitem__", "select", "embedding"


def _selected(call: OpCall, axis: Axis, value: Value, _out: Value) -> State:
    place = call["dim"] % len(value.shape)
    return without(taken(axis, value.shape, place, call["index"]), place)


def _gathered(call: OpCall, axis: Axis, _value: Value, out: Value) -> State:
    """Takes positions chosen by data: fine along any other axis."""
    place = call["dim"]
    if place is None or isinstance(place, Value):
        return None
    place %= len(out.shape)
    return lost(axis, out.shape, place) if axis.runs_along(place) else axis


def _indexed(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Takes x[…] with whole numbers, slices, None and … ; one list of indices shuffles its axis."""
    spread = _spread(call["index"], len(value.shape), len(out.shape))
    if spread is None:
        return None
    places, at_new = [], 0
    for each in spread:
        if each is None:
            at_new += 1
            continue
        places.append(at_new)
        at_new += 0 if isinstance(each, int) else len(each.shape) if isinstance(each, Value) else 1
    shape, state = list(value.shape), axis
    for place, each in enumerate(each for each in spread if each is not None):
        if not state.runs_along(place) or each == slice(None):
            continue
        old = tuple(shape)
        if isinstance(each, int):
            after = taken(state, old, place, each)
        else:
            shape[place] = out.shape[places[place]]
            begin, _, step = each.indices(old[place]) if isinstance(each, slice) else (0, 0, 0)
            after = (
                sliced(state, old, tuple(shape), place, begin, step)
                if step
                else lost(state, tuple(shape), place)
            )
        if not isinstance(after, Axis):
            return after
        state = after
    return placed(state, places)


def _spread(given: Any, rank: int, out_rank: int) -> list[Any] | None:
    """Returns one entry for each axis, and None for each new one; None for what is not followed."""
    parts = list(given) if isinstance(given, tuple) else [given]
    if parts and out_rank == rank and all(isinstance(each, int) for each in parts):
        parts = [given]  # a list of indices, which the trace holds as a tuple
    plain = [each for each in parts if isinstance(each, int | slice) and not isinstance(each, bool)]
    lists = [each for each in parts if isinstance(each, tuple | Value)]
    dots = [i for i, each in enumerate(parts) if each is Ellipsis]
    new = sum(each is None for each in parts)
    if len(lists) > 1 or len(plain) + len(lists) + len(dots) + new != len(parts):
        return None
    whole = [slice(None)] * (rank - len(plain) - len(lists))
    i = dots[0] if dots else len(parts)
    return [*parts[:i], *whole, *parts[i + 1 :]]


def _assigned(call: OpCall, incoming: Incoming, out: Value) -> State:
    """Leaves x[…] = y as it was but for y where it is written, and nothing of it where that is all."""
    everywhere = call["index"] is Ellipsis or call["index"] == slice(None)
    return _assigned_each(call, incoming[1:] if everywhere and len(incoming) > 1 else incoming, out)


def _written(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    if value.number == call.inputs[0].number:
        return axis
    spread = _spread(call["index"], len(out.shape), -1)
    if spread is None or any(each is None or isinstance(each, tuple | Value) for each in spread):
        return None
    written = {
        place: range(*each.indices(out.shape[place]))
        for place, each in enumerate(spread)
        if isinstance(each, slice)
    }
    given = stretched(axis, value.shape, tuple(map(len, written.values())))
    if not isinstance(given, Axis):
        return given
    given = placed(given, list(written))
    for place, positions in written.items():
        if not given.runs_along(place) or positions == range(out.shape[place]):
            continue
        if len(given.digits) > 1 or given.digits[0].inner > 1 or positions.step < 1:
            return None
        step, begin = positions.step, positions.start
        offsets = [[(r - begin) // step] if (r - begin) % step == 0 else [] for r in range(step)]
        return along(out.shape, place, reading(given.sight, 1, offsets) if given.sight else None, axis.length)
    return given


_assigned_each = each_input(_written)


def _renormalizes(args: Any, kwargs: Any) -> bool:
    """Returns whether an embedding scales rows of its weight in place."""
    return kwargs.get("max_norm") is not None or args[3:4] not in ((), (None,))


def _op(
    *names: str,
    field: FieldRule | Unknown,
    saved: SavedRule | Unknown,
    arguments: str,
    **facts: Any,
) -> None:
    given: dict[str, Any] = {"drawn": False, **facts}
    add(Op(
        names=names,
        arguments=arguments,
        shape=None,
        macs=None,
        field=field,
        saved=saved,
        workspace=None,
        label=plain_name,
        **given,
    ))  # fmt: skip


_op(
    GET,
    field=each_input(_indexed),
    saved=keeps_indices,
    arguments="input, index",
    drawn=True,
    shaped_by_values=True,
)
_op(
    SET,
    field=_assigned,
    saved=keeps_indices,
    arguments="input, index, value",
    in_place_names=frozenset({SET}),
)
_op(SELECT, field=each_input(_selected), saved=keeps_nothing, arguments="input, dim, index")
_op("index_select", field=each_input(_gathered), saved=keeps_indices, arguments="input, dim=0, index=None")
_op("gather", field=each_input(_gathered), saved=keeps_inputs, arguments="input, dim=0, index=None")
_op("take_along_dim", field=each_input(_gathered), saved=keeps_inputs, arguments="input, indices, dim=0")
_op("masked_select", field=UNKNOWN, saved=keeps_indices, arguments="input, mask")
_op("index_put_", field=UNKNOWN, saved=keeps_indices, arguments="input, indices, values, accumulate=False")
_op(EMBEDDING, field=unmoved, saved=keeps_indices, arguments="input, weight", writes=_renormalizes)
_op("one_hot", field=unmoved, saved=keeps_nothing, arguments="input, num_classes=-1", stops_gradient=True)
_op("copy_", field=same_position, saved=keeps_nothing, arguments="input, src")
_op("nonzero", field=UNKNOWN, saved=keeps_nothing, arguments="input")
_op("bucketize", field=UNKNOWN, saved=keeps_nothing, arguments="input, boundaries")


def _slice_of(
    x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> tuple[str, tuple[Any, ...]]:
    return GET, (x, (*[slice(None)] * (dim % x.ndim), slice(start, end, step)))


AS_FUNCTION.update({
    "slice": _slice_of,
    SELECT: lambda x, dim, index: (GET, (x, (*[slice(None)] * (dim % x.ndim), index))),
    "index": lambda x, indices: (GET, (x, tuple(slice(None) if i is None else i for i in indices))),
    EMBEDDING: lambda weight, indices, *_: (EMBEDDING, (indices, weight)),
})  # fmt: skip

"""How ops that move, cut and join tensors move a receptive field."""

from collections.abc import Iterable
from typing import Any

from convblocks.analysis.fields.axes import Axis, State, along, lost, placed, reshaped, stretched, taken
from convblocks.analysis.fields.sight import reading
from convblocks.analysis.fields.window_rules import read
from convblocks.analysis.rules import argument
from convblocks.analysis.trace import Op, Value
from convblocks.analysis.trace.shapes import Shape


def as_list(given: Any, everything: Iterable[int]) -> list[int]:
    """A list of axes given as one, many or none, which is all."""
    if given is None:
        return list(everything)
    return [given] if isinstance(given, int) else list(given)


def view(_op: Op, axis: Axis, value: Value, out: Value) -> State:
    """reshape and all that keep the order in memory."""
    return reshaped(axis, value.shape, out.shape)


def permuted(op: Op, axis: Axis, value: Value, _out: Value) -> State:
    given = argument(op, 1, "dims")
    order = given if isinstance(given, tuple) else op.args[1:]
    return _ordered(axis, [place % len(value.shape) for place in order])


def swapped(op: Op, axis: Axis, value: Value, _out: Value) -> State:
    rank = len(value.shape)
    first, second = (-2, -1) if op.name == "mT" else (0, 1)
    a, b = argument(op, 1, "dim0", first) % rank, argument(op, 2, "dim1", second) % rank
    order = list(range(rank))
    order[a], order[b] = b, a
    return placed(axis, order)


def movedim(op: Op, axis: Axis, value: Value, _out: Value) -> State:
    rank = len(value.shape)
    source, target = (
        [place % rank for place in as_list(argument(op, i, name), ())]
        for i, name in ((1, "source"), (2, "destination"))
    )
    order = [place for place in range(rank) if place not in source]
    for goes, comes in sorted(zip(target, source, strict=True)):
        order.insert(goes, comes)
    return _ordered(axis, order)


def _ordered(axis: Axis, order: list[int]) -> Axis:
    """`order[new place] = old place`."""
    return placed(axis, [order.index(place) for place in range(len(order))])


def padded(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """Any mode: away from the border every mode only shifts."""
    amounts = argument(op, 1, "pad")
    shifts = {len(value.shape) - 1 - i // 2: amounts[i] for i in range(0, len(amounts), 2)}
    return _shifted(axis, value, out, shifts)


def rolled(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """Away from the border it only shifts; what comes round from the other end is not counted."""
    rank, dims = len(value.shape), argument(op, 2, "dims")
    if dims is None:
        return None
    amounts = as_list(argument(op, 1, "shifts"), ())
    return _shifted(axis, value, out, dict(zip((p % rank for p in as_list(dims, ())), amounts, strict=True)))


def _shifted(axis: Axis, value: Value, out: Value, shifts: dict[int, int]) -> State:
    """Position i goes to i + shifts[tensor axis]."""
    touched = [
        place
        for place, shift in shifts.items()
        if axis.runs_along(place) and (shift or value.shape != out.shape)
    ]
    if not touched:
        return axis
    state: State = axis
    for place in touched:
        state = (
            read(state, value.shape, out.shape, place, 1, [[-shifts[place]]])
            if isinstance(state, Axis)
            else state
        )
    return state


def flipped(op: Op, axis: Axis, value: Value, out: Value) -> State:
    dims = argument(op, 1, "dims")
    touched = {
        place % len(value.shape) for place in as_list(dims if isinstance(dims, tuple) else op.args[1:], ())
    }
    state: State = axis
    for place in touched:
        if isinstance(state, Axis) and state.runs_along(place):
            state = read(state, value.shape, out.shape, place, -1, [[value.shape[place] - 1]])
    return state


def joined(op: Op, axis: Axis, _value: Value, out: Value) -> State:
    """cat: along another axis it only joins branches; along its own, positions are no longer told apart."""
    place = argument(op, 1, "dim", 0) % len(out.shape)
    return lost(axis, out.shape, place) if axis.runs_along(place) else axis


def stacked(op: Op, axis: Axis, value: Value, out: Value) -> State:
    new = argument(op, 1, "dim", 0) % len(out.shape)
    return placed(axis, [place + (place >= new) for place in range(len(value.shape))])


def part(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """split, chunk, unbind: one part along an axis."""
    position = 1 if op.name == "unbind" else 2
    place = argument(op, position, "dim", 0) % len(value.shape)
    at = next(i for i, each in enumerate(op.outputs) if each is out)
    if op.name == "unbind":
        return _without(taken(axis, value.shape, place, at), place)
    before = sum(each.shape[place] for each in op.outputs[:at])
    return _sliced(axis, value.shape, out.shape, place, before, 1)


def selected(op: Op, axis: Axis, value: Value, _out: Value) -> State:
    place, index = argument(op, 1, "dim") % len(value.shape), argument(op, 2, "index")
    return _without(taken(axis, value.shape, place, index), place)


def _without(state: State, place: int) -> State:
    """After a tensor axis that it does not run along is gone."""
    if not isinstance(state, Axis):
        return state
    last = max(digit.place for digit in state.digits)
    return placed(state, [p - (p > place) for p in range(last + 1)])


def narrowed(op: Op, axis: Axis, value: Value, out: Value) -> State:
    place, begin = argument(op, 1, "dim") % len(value.shape), argument(op, 2, "start")
    if not isinstance(begin, int):
        return lost(axis, out.shape, place) if axis.runs_along(place) else axis
    return _sliced(axis, value.shape, out.shape, place, begin, 1)


def gathered(op: Op, axis: Axis, _value: Value, out: Value) -> State:
    """Positions chosen by data: fine along any other axis."""
    place = argument(op, 1, "dim", 0)
    if place is None or isinstance(place, Value):
        return None
    place %= len(out.shape)
    return lost(axis, out.shape, place) if axis.runs_along(place) else axis


def channels_shuffled(_op: Op, axis: Axis, _value: Value, out: Value) -> State:
    return lost(axis, out.shape, 1) if axis.runs_along(1) else axis


def tiled(_op: Op, axis: Axis, value: Value, out: Value) -> State:
    """repeat, tile: the map again and again along an axis is not followed, new axes in front are."""
    more = len(out.shape) - len(value.shape)
    if any(value.shape[d.place] not in (1, out.shape[d.place + more]) for d in axis.digits):
        return None
    return stretched(axis, value.shape, out.shape)


def indexed(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """x[…] with whole numbers, slices, None and … ; one list of indices shuffles its axis."""
    spread = _spread(op.args[1], len(value.shape), len(out.shape))
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
            met = taken(state, old, place, each)
        else:
            shape[place] = out.shape[places[place]]
            begin, _, step = each.indices(old[place]) if isinstance(each, slice) else (0, 0, 0)
            met = (
                _sliced(state, old, tuple(shape), place, begin, step)
                if step
                else lost(state, tuple(shape), place)
            )
        if not isinstance(met, Axis):
            return met
        state = met
    return placed(state, places)


def _spread(given: Any, rank: int, out_rank: int) -> list[Any] | None:
    """One entry for each axis, and None for each new one; None for what is not followed."""
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


def _sliced(axis: Axis, old: Shape, new: Shape, place: int, begin: int, step: int) -> State:
    if not axis.runs_along(place) or old[place] == new[place]:
        return axis
    return read(axis, old, new, place, step, [[begin]])


def assigned(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """x[…] = y: x as it was, and y where it is written."""
    if value.number == op.inputs[0].number:
        return axis
    spread = _spread(op.args[1], len(out.shape), -1)
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


def overwritten(op: Op) -> bool:
    """Whether x[…] = y leaves nothing of x."""
    return op.name == "__setitem__" and (op.args[1] is Ellipsis or op.args[1] == slice(None))

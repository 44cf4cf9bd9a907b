"""Moves a field through ops that read windows: each is a list of the positions that every output reads."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from convblocks.analysis.fields.axes import Axis, Digit, State, along, lost, placed
from convblocks.analysis.fields.sight import reading
from convblocks.analysis.trace.graph import Shape


def read(
    axis: Axis, old: Shape, new: Shape, place: int, advance: int, offsets: Sequence[Sequence[int]]
) -> State:
    """Returns how outputs see an axis that they read in windows along tensor axis `place`.

    Output len(offsets)·q + r reads positions advance·q + o for o in offsets[r].
    """
    digit = axis.filling(place, old)
    if digit is None or axis.sight is None:
        return lost(axis, new, place)
    if len(axis.digits) == 1:
        return along(new, place, reading(axis.sight, advance, offsets), axis.length)
    size, weight, block = digit.size, digit.weight, digit.weight * digit.size
    if digit != axis.digits[0]:  # windows end where the next block begins
        offsets = _within(size, new[place], advance, offsets)
        advance = size
    each = [[weight * o + low for o in taps] for taps in offsets for low in range(weight)]
    digits = tuple(
        Digit(place, 1, new[place], weight)
        if d == digit
        else msgspec.structs.replace(d, weight=d.weight // size * new[place])
        if d.weight >= block
        else d
        for d in axis.digits
    )
    return Axis(digits, reading(axis.sight, weight * advance, each), axis.length)


def _within(size: int, outputs: int, advance: int, offsets: Sequence[Sequence[int]]) -> list[list[int]]:
    """Returns the positions of a block of `size` that each of its outputs reads."""
    moved = (divmod(o, len(offsets)) for o in range(outputs))
    return [[p for p in (advance * q + o for o in offsets[r]) if 0 <= p < size] for q, r in moved]


def each_place(state: State, places: Iterable[int], move: Callable[[Axis, int], State]) -> State:
    """Returns an axis after `move` for each of the tensor axes that it runs along."""
    for place in places:
        if isinstance(state, Axis) and state.runs_along(place):
            state = move(state, place)
    return state


def sliced(axis: Axis, old: Shape, new: Shape, place: int, begin: int, step: int) -> State:
    """Returns an axis after every `step`-th position along a tensor axis is taken, from `begin` on."""
    if not axis.runs_along(place) or old[place] == new[place]:
        return axis
    return read(axis, old, new, place, step, [[begin]])


def without(state: State, place: int) -> State:
    """Returns an axis after a tensor axis that it does not run along is gone."""
    if not isinstance(state, Axis):
        return state
    last = max(digit.place for digit in state.digits)
    return placed(state, [p - (p > place) for p in range(last + 1)])

"""The course of one spatial axis of the input in a tensor, and how views move it about.

Views fold and cut an axis: a window partition writes position i as (i // 7, i % 7) along two tensor axes, and
flattening puts (H, W) along one. So a position is written in Digits, as a number is: each runs along one tensor axis
and counts for `weight` positions.
"""

from collections.abc import Sequence
from math import prod
from typing import Literal

import msgspec

from convblocks.analysis.fields import sight as sights
from convblocks.analysis.fields.sight import SELF, Sight, reading
from convblocks.analysis.trace.graph import Shape

ALL: Literal["all"] = "all"
POOLED: Literal["pooled"] = "pooled"  # sees all, and is the same at every position: a gate, a global mean


class Digit(msgspec.Struct, frozen=True, gc=False):
    """`size` values along tensor axis `place`, `inner` apart there, each worth `weight` positions."""

    place: int
    inner: int
    size: int
    weight: int


class Axis(msgspec.Struct, frozen=True, gc=False):
    """One spatial axis of the input in a tensor: its digits, the greatest weight first, and what its positions see."""

    digits: tuple[Digit, ...]
    sight: Sight | None  # None: unknown, and of the digits only the places count: it runs along no others
    length: int  # of the input's axis

    def whole(self, shape: Shape) -> int:
        """The tensor axis that it is all of and that nothing else shares; −1 if there is none."""
        first = self.digits[0]
        alone = len(self.digits) == 1 and first.inner == 1 and first.size == shape[first.place]
        return first.place if alone else -1

    def filling(self, place: int, shape: Shape) -> Digit | None:
        """The one digit along tensor axis `place`, if it is all of that and nothing else is there."""
        there = [digit for digit in self.digits if digit.place == place]
        alone = len(there) == 1 and there[0].inner == 1 and there[0].size == shape[place]
        return there[0] if alone else None

    def runs_along(self, place: int) -> bool:
        """Returns whether any of its digits does."""
        return place in [digit.place for digit in self.digits]


State = Axis | Literal["all", "pooled"] | None
"""None: nothing is known."""


def start(shape: Shape, place: int) -> Axis:
    """The input's own axis."""
    return along(shape, place, SELF, shape[place])


def along(shape: Shape, place: int, sight: Sight | None, length: int) -> Axis:
    """An axis that is the whole of tensor axis `place`."""
    return Axis((Digit(place, 1, shape[place], 1),), sight, length)


def lost(axis: Axis, shape: Shape, place: int) -> Axis:
    """An axis whose positions have been shuffled along tensor axis `place`; what mixes all its places sees all."""
    others = tuple(digit for digit in axis.digits if digit.place != place)
    return Axis((*others, Digit(place, 1, shape[place], 1)), None, axis.length)


def union(a: State, b: State) -> State:
    """Returns what sees both."""
    if a is b:
        return a
    if not isinstance(a, Axis) or not isinstance(b, Axis):
        return a if a == b else ALL if {a, b} & {ALL, POOLED} else None
    if a.digits != b.digits or a.sight is None or b.sight is None:
        return Axis(tuple(dict.fromkeys(a.digits + b.digits)), None, a.length)
    if a.sight == b.sight:
        return a
    joined = sights.union(a.sight, b.sight)
    if joined is None:
        joined = sights.envelope(a.sight, b.sight, prod(digit.size for digit in a.digits))
    return Axis(a.digits, joined, a.length)


def placed(axis: Axis, places: list[int]) -> Axis:
    """`places[old place] = new place`, as in permute."""
    digits = tuple(Digit(places[d.place], d.inner, d.size, d.weight) for d in axis.digits)
    return axis if digits == axis.digits else Axis(digits, axis.sight, axis.length)


def stretched(axis: Axis, old: Shape, new: Shape) -> State:
    """Broadcast to a new shape, the last axes aligned."""
    more = len(new) - len(old)
    if all(old[d.place] == new[d.place + more] for d in axis.digits):
        return placed(axis, [place + more for place in range(len(old))]) if more else axis
    if len(axis.digits) > 1 or axis.digits[0].size > 1:
        return None
    place = axis.digits[0].place + more
    if axis.sight is None:
        return along(new, place, None, axis.length)
    if _sees_all(axis, 0):
        return POOLED
    lo, hi = axis.sight.at(0)
    return along(new, place, Sight(0, (lo,), (hi,)), axis.length)


def mixed(axis: Axis, place: int, *, stays: bool) -> State:
    """Positions along tensor axis `place` become a mix of all of them, which stays there or is summed away."""
    if not axis.runs_along(place):
        return axis
    if all(digit.place == place for digit in axis.digits):
        return ALL if stays else POOLED
    if axis.sight is None:
        return Axis(tuple(d for d in axis.digits if d.place != place), None, axis.length)
    for digit in axis.digits:
        if digit.place == place:
            if digit == axis.digits[0]:
                return ALL  # positions spread from one end to the other
            axis = _smeared(axis, digit, stays=stays)
    return axis


def _smeared(axis: Axis, digit: Digit, *, stays: bool) -> Axis:
    """The values of a digit all see what any of them saw."""
    of_digit = range(0, digit.weight * digit.size, digit.weight)
    if not stays:
        return _only(axis, digit, of_digit)
    weight, block = digit.weight, digit.weight * digit.size
    each = [[low + o for o in of_digit] for low in range(weight)]
    offsets = [each[r % weight] for r in range(block)]
    return Axis(axis.digits, reading(axis.sight, block, offsets) if axis.sight else None, axis.length)


def _only(axis: Axis, digit: Digit, reads: Sequence[int]) -> Axis:
    """Without a digit that is not the first: each position is left with those at `reads` of it."""
    weight, block = digit.weight, digit.weight * digit.size
    offsets = [[r + o for o in reads] for r in range(weight)]
    digits = tuple(
        Digit(d.place, d.inner, d.size, d.weight // digit.size if d.weight > weight else d.weight)
        for d in axis.digits
        if d != digit
    )
    return Axis(digits, reading(axis.sight, block, offsets) if axis.sight else None, axis.length)


def joined_over(axis: Axis, digit: Digit) -> Axis:
    """Without a digit: each position sees what it sees at any value of that."""
    reads = range(0, digit.weight * digit.size, digit.weight)
    if digit != axis.digits[0]:
        return _only(axis, digit, reads)
    return Axis(axis.digits[1:], reading(axis.sight, 1, [reads]) if axis.sight else None, axis.length)


def taken(axis: Axis, shape: Shape, place: int, index: int) -> State:
    """One position along a tensor axis, which is not yet gone."""
    if not axis.runs_along(place):
        return axis
    digit = axis.filling(place, shape)
    if digit is None or axis.sight is None:
        return None
    index %= digit.size
    if digit != axis.digits[0]:
        return _only(axis, digit, [index * digit.weight])
    if len(axis.digits) > 1:
        return None
    return POOLED if _sees_all(axis, index) else None


def _sees_all(axis: Axis, position: int) -> bool:
    lo, hi = axis.sight.at(position) if axis.sight else (0, -1)
    return lo <= 0 and hi >= axis.length - 1


def reshaped(axis: Axis, old: Shape, new: Shape) -> State:
    """The same axis after a reshape, by how far apart its neighbours lie in memory order."""
    if old == new:
        return axis
    digits: list[Digit] = []
    waiting = list(axis.digits)
    while waiting:
        digit = waiting.pop(0)
        apart = digit.inner * prod(old[digit.place + 1 :])
        fitted = _fitted(digit, apart, new)
        if fitted:
            digits.append(fitted)
        elif cut := _cut(digit, apart, old, new):
            waiting = [*cut, *waiting]
        else:  # somewhere along any
            return Axis(
                tuple(Digit(place, 1, n, 1) for place, n in enumerate(new) if n > 1), None, axis.length
            )
    return Axis(_joined(digits), axis.sight, axis.length)


def _fitted(digit: Digit, apart: int, new: Shape) -> Digit | None:
    """The digit on the new axis that holds all of it; one position fits many, best one of length 1."""
    fitted = None
    for place in range(len(new) - 1, -1, -1):
        behind = prod(new[place + 1 :])
        if apart % behind == 0 and behind * new[place] % (apart * digit.size) == 0:
            fits = Digit(place, apart // behind, digit.size, digit.weight)
            if digit.size > 1 or (place == digit.place and new[place] == 1):
                return fits
            if fitted is None or (new[place] == 1 and new[fitted.place] > 1):
                fitted = fits
    return fitted


def _cut(digit: Digit, apart: int, old: Shape, new: Shape) -> tuple[Digit, Digit] | None:
    """A digit in two, where the new shape has a border between its values."""
    for place in range(len(new)):
        border = prod(new[place:])
        low, odd = divmod(border, apart)
        if not odd and 1 < low < digit.size and digit.size % low == 0:
            behind = prod(old[digit.place + 1 :])
            return (
                Digit(digit.place, border // behind, digit.size // low, digit.weight * low),
                Digit(digit.place, digit.inner, low, digit.weight),
            )
    return None


def _joined(digits: list[Digit]) -> tuple[Digit, ...]:
    """Neighbouring digits that run on from each other are one."""
    joined: list[Digit] = []
    for low in digits:
        high = joined[-1] if joined else None
        if (
            high
            and high.place == low.place
            and (high.inner, high.weight) == (low.inner * low.size, low.weight * low.size)
        ):
            joined[-1] = Digit(low.place, low.inner, low.size * high.size, low.weight)
        else:
            joined.append(low)
    return tuple(joined)


def adopted(axis: Axis, by: Axis) -> State:
    """With the digits of `by`, mixed over those that `by` lacks: all keys under each query."""
    if axis.sight is None or by.sight is None:
        return union(axis, by)
    for digit in axis.digits:
        if not any(_alike(digit, d) for d in by.digits):
            mix = mixed(axis, digit.place, stays=False)
            if not isinstance(mix, Axis):
                return ALL
            axis = mix
    if axis.sight is None or not _alike(axis.digits[0], by.digits[0]):
        return None
    block, wanted = axis.digits[0].weight, by.digits[0].weight
    weights = [next((d.weight for d in axis.digits if _alike(d, other)), 0) for other in by.digits[1:]]
    at = [
        sum(r // d.weight % d.size * weight for d, weight in zip(by.digits[1:], weights, strict=True))
        for r in range(wanted)
    ]
    return Axis(by.digits, reading(axis.sight, block, [[position] for position in at]), axis.length)


def _alike(a: Digit, b: Digit) -> bool:
    return (a.place, a.inner, a.size) == (b.place, b.inner, b.size)

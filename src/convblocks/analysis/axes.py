"""How a tensor sees one spatial axis of the input, and how views move that axis about."""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import prod
from typing import Literal

from convblocks.analysis.shapes import Shape

ALL: Literal["all"] = "all"
Number = int | Fraction


@dataclass(frozen=True, slots=True)
class Axis:
    """Position i of `size` along tensor axis `place` sees inputs step·i + lo … step·i + hi.

    `inner` positions of something else stand between i and i + 1, as when (H, W) has been flattened.
    """

    place: int
    size: int
    inner: int
    step: Number
    lo: Number
    hi: Number

    @classmethod
    def along(cls, shape: Shape, place: int, step: Number, lo: Number, hi: Number) -> "Axis":
        """An axis that is the whole of tensor axis `place`."""
        return cls(place, shape[place], 1, step, lo, hi)

    def alone(self, shape: Shape) -> bool:
        """Whether nothing else runs along the same tensor axis."""
        return self.inner == 1 and self.size == shape[self.place]


State = Axis | Literal["all"] | None
"""None: unknown."""


def union(a: State, b: State) -> State:
    """What sees both."""
    if a == ALL or b == ALL:
        return ALL
    if a is None or b is None:
        return None
    if a.size == 1 and b.size > 1:  # broadcast: the same for every position
        a = replace(b, step=0, lo=a.lo, hi=a.hi)
    elif b.size == 1 and a.size > 1:
        b = replace(a, step=0, lo=b.lo, hi=b.hi)
    if (a.place, a.size, a.inner, a.step) != (b.place, b.size, b.inner, b.step):
        return None  # branches that run along the input in different ways
    return replace(a, lo=min(a.lo, b.lo), hi=max(a.hi, b.hi))


def reshaped(axis: Axis, old: Shape, new: Shape) -> State:
    """The same axis after a reshape, found by how far apart its neighbours lie in memory order."""
    apart = axis.inner * prod(old[axis.place + 1 :])
    for place in range(len(new) - 1, -1, -1):
        behind = prod(new[place + 1 :])
        if apart % behind == 0 and apart * axis.size <= behind * new[place] and new[place] > 0:
            if axis.size == 1 and new[place] > 1 and place > 0:
                continue  # an axis of one position fits anywhere; prefer one of the same length
            return replace(axis, place=place, inner=apart // behind)
    return None


def moved(axis: Axis, order: list[int]) -> Axis:
    """`order[new place] = old place`, as in permute."""
    return replace(axis, place=order.index(axis.place))

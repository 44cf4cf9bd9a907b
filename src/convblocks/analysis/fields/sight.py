"""The inputs that each position of an axis sees: exact for every position, in whole numbers.

Strides and windows move all positions alike; up-sampling, window attention and the like repeat with a period.
So position period·q + r sees inputs step·q + lows[r] … step·q + highs[r], and the op that comes next is a list
of the positions that each of its outputs reads (`reading`). A position that sees nothing, as between the outputs of
a transposed convolution with gaps, has lows[r] = ∞ and highs[r] = −∞.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, inf, lcm

import msgspec

Number = int | Fraction
MOST_POSITIONS = 65_536  # that bounds are sought over
LONGEST_PERIOD = 4096  # beyond it a sight is given up as unknown


class Sight(msgspec.Struct, frozen=True, gc=False):
    """Position len(lows)·q + r sees inputs step·q + lows[r] … step·q + highs[r]."""

    step: int
    lows: tuple[float, ...]  # whole numbers or infinite
    highs: tuple[float, ...]

    def at(self, position: int) -> tuple[float, float]:
        """The first and last input that a position sees; positions outside the map too, as padding has them."""
        q, r = divmod(position, len(self.lows))
        return self.step * q + self.lows[r], self.step * q + self.highs[r]


SELF = Sight(1, (0,), (0,))


def reading(sight: Sight, advance: int, offsets: Sequence[Sequence[int]]) -> Sight | None:
    """Returns what outputs see whose position len(offsets)·q + r reads positions advance·q + o, for o in offsets[r].

    None if that repeats with too long a period: resampling by fractions multiplies it at each stage.
    """
    step, period = sight.step, len(sight.lows)
    if period == len(offsets) == 1 and offsets[0]:
        first, last = step * offsets[0][0], step * offsets[0][-1]
        if step < 0:
            first, last = last, first
        return Sight(step * advance, (sight.lows[0] + first,), (sight.highs[0] + last,))
    repeats = period // gcd(period, advance)
    if repeats * len(offsets) > LONGEST_PERIOD:
        return None
    distinct = {id(read): read for read in offsets}  # a mix gives all its outputs one list
    lows: list[float] = []
    highs: list[float] = []
    for q in range(repeats):
        ends = {key: _ends(sight, advance * q, read) for key, read in distinct.items()}
        lows += [ends[id(read)][0] for read in offsets]
        highs += [ends[id(read)][1] for read in offsets]
    return _shortest(Sight(step * advance * repeats // period, tuple(lows), tuple(highs)))


def _ends(sight: Sight, start: int, read: Sequence[int]) -> tuple[float, float]:
    ranges = [sight.at(start + o) for o in read]
    return min((lo for lo, _ in ranges), default=inf), max((hi for _, hi in ranges), default=-inf)


def union(a: Sight, b: Sight) -> Sight | None:
    """Returns what sees both; None if they run along the input in different ways."""
    period = len(a.lows)
    if period != len(b.lows):
        period = lcm(period, len(b.lows))
        if period > LONGEST_PERIOD:
            return None
        a, b = _repeated(a, period), _repeated(b, period)
    if a.step != b.step:
        return None
    joined = Sight(a.step, tuple(map(min, a.lows, b.lows)), tuple(map(max, a.highs, b.highs)))
    return joined if period == 1 else _shortest(joined)


def envelope(a: Sight, b: Sight, count: int) -> Sight | None:
    """Bounds on what positions 0 … count − 1 see of both, where these run along the input at different rates.

    Interpolation with aligned corners has a rate of (n − 1)/(m − 1), and beside it stands a map at n/m: over a whole
    map they drift apart by less than a position. The bounds have the rate of the smaller denominator, and are the
    narrowed ones of that rate. None for too many positions, and
    for rates that are not near each other, whose bounds would tell nothing.
    """
    rates = [Fraction(sight.step, len(sight.lows)) for sight in (a, b)]
    if not 0 < count <= MOST_POSITIONS or 2 * min(rates) <= max(rates):
        return None
    rate = min(rates, key=lambda rate: rate.denominator)
    step, period = rate.numerator, rate.denominator
    lows, highs = [inf] * period, [-inf] * period
    for position in range(count):
        q, r = divmod(position, period)
        ends = a.at(position), b.at(position)
        lows[r] = min(lows[r], *(lo - step * q for lo, _ in ends))
        highs[r] = max(highs[r], *(hi - step * q for _, hi in ends))
    return _shortest(Sight(step, tuple(lows), tuple(highs)))


def hull(sight: Sight) -> tuple[Number, Number, Number]:
    """(step, lo, hi), the narrowest for which every position i sees no more than step·i + lo … step·i + hi."""
    period = len(sight.lows)
    if period == 1:
        return sight.step, int(sight.lows[0]), int(sight.highs[0])
    step = Fraction(sight.step, period)
    lo = min(int(low) - step * r for r, low in enumerate(sight.lows) if low != inf)
    hi = max(int(high) - step * r for r, high in enumerate(sight.highs) if high != -inf)
    return _plain(step), _plain(lo), _plain(hi)


def _repeated(sight: Sight, period: int) -> Sight:
    lows, highs = zip(*map(sight.at, range(period)), strict=True)
    return Sight(sight.step * (period // len(sight.lows)), lows, highs)


def _shortest(sight: Sight) -> Sight:
    """The same with the shortest period that tells all."""
    period = len(sight.lows)
    for short in range(1, period // 2 + 1):
        if period % short or sight.step * short % period:
            continue
        shorter = Sight(sight.step * short // period, sight.lows[:short], sight.highs[:short])
        if all(shorter.at(i) == sight.at(i) for i in range(short, period)):
            return shorter
    return sight


def _plain(number: Number) -> Number:
    return int(number) if isinstance(number, Fraction) and number.denominator == 1 else number

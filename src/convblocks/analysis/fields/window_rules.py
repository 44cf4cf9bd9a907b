"""How ops that read windows of positions move a receptive field: convolutions, pools, resampling.

Each is a list of which positions every output reads; sight.py does the rest.
"""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from math import ceil, floor

import msgspec

from convblocks.analysis.fields.axes import Axis, Digit, State, along, lost, mixed
from convblocks.analysis.fields.sight import reading
from convblocks.analysis.rules import ADAPTIVE, TRANSPOSED, argument, at, weight_of, window
from convblocks.analysis.trace import Op, Value
from convblocks.analysis.trace.shapes import Shape


def read(
    axis: Axis, old: Shape, new: Shape, place: int, advance: int, offsets: Sequence[Sequence[int]]
) -> State:
    """Output len(offsets)·q + r along `place` reads positions advance·q + o for o in offsets[r]."""
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
    """The positions of a block of `size` that each of its outputs reads."""
    moved = (divmod(o, len(offsets)) for o in range(outputs))
    return [[p for p in (advance * q + o for o in offsets[r]) if 0 <= p < size] for q, r in moved]


def each_place(state: State, places: Iterable[int], move: Callable[[Axis, int], State]) -> State:
    """`move` for each of the tensor axes that it runs along."""
    for place in places:
        if isinstance(state, Axis) and state.runs_along(place):
            state = move(state, place)
    return state


def windowed(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """Convolutions and pools."""
    rank = len(value.shape)
    first = rank - len(out.shape[2:])

    def move(axis: Axis, place: int) -> State:
        size, stride, padding, dilation = window(op, place - first)
        taps = range(-padding, dilation * (size - 1) - padding + 1, dilation)
        return read(axis, value.shape, out.shape, place, stride, (taps,))

    return each_place(channels_mixed(op, axis, value, out, first - 1), range(first, rank), move)


def channels_mixed(op: Op, axis: Axis, value: Value, out: Value, channels: int) -> State:
    """In part an axis may run along the channels, as after space-to-depth."""
    if "pool" in op.name or not axis.runs_along(channels):
        return axis
    groups = argument(op, 6, "groups", 1)
    if groups == 1:
        return mixed(axis, channels, stays=False)
    return axis if groups == value.shape[channels] == out.shape[channels] else None


def transposed(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """Output o is reached from every i with o = stride·i − padding + dilation·k (Dumoulin & Visin 2016, section 4)."""
    rank = len(value.shape)
    first = rank - TRANSPOSED[op.name]

    def move(axis: Axis, place: int) -> State:
        stride, padding, dilation = (
            at(argument(op, i, n, d), place - first)
            for i, n, d in ((3, "stride", 1), (4, "padding", 0), (7, "dilation", 1))
        )
        offsets = _reached(stride, padding, dilation, weight_of(op).shape[2 + place - first])
        return read(axis, value.shape, out.shape, place, 1, offsets)

    return each_place(channels_mixed(op, axis, value, out, first - 1), range(first, rank), move)


def _reached(stride: int, padding: int, dilation: int, size: int) -> list[list[int]]:
    taps = [padding - dilation * k for k in reversed(range(size))]
    return [[(r + tap) // stride for tap in taps if (r + tap) % stride == 0] for r in range(stride)]


def adaptive(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """Output o of m averages positions floor(o·n/m) up to, not including, ceil((o + 1)·n/m)."""

    def move(axis: Axis, place: int) -> State:
        if out.shape[place] == 1:
            return mixed(axis, place, stays=False)
        step = Fraction(value.shape[place], out.shape[place])
        offsets = [range(floor(o * step), ceil((o + 1) * step)) for o in range(step.denominator)]
        return read(axis, value.shape, out.shape, place, step.numerator, offsets)

    rank = len(value.shape)
    return each_place(axis, range(rank - ADAPTIVE[op.name], rank), move)


def interpolated(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """Positions with a weight of 0 are not seen."""
    mode, aligned = argument(op, 3, "mode", "nearest"), bool(argument(op, 4, "align_corners"))

    def move(axis: Axis, place: int) -> State:
        n, m = value.shape[place], out.shape[place]
        step = Fraction(n - 1, max(m - 1, 1)) if aligned else _step(op, place - 2, n, m)
        if mode == "area" and m == 1:
            return mixed(axis, place, stays=False)
        antialias = argument(op, 6, "antialias", False)
        offsets = [_taps(o, step, mode, aligned, antialias) for o in range(step.denominator)]
        return read(axis, value.shape, out.shape, place, step.numerator, offsets)

    return each_place(axis, range(2, len(value.shape)), move)


def _step(op: Op, at_axis: int, n: int, m: int) -> Fraction:
    """Positions for each output: torch takes the scale that it was given, rather than what the sizes tell."""
    factor = argument(op, 2, "scale_factor")
    if factor is None or argument(op, 5, "recompute_scale_factor"):
        return Fraction(n, m)
    factor = factor if isinstance(factor, int | float) else factor[at_axis if len(factor) > 1 else 0]
    return 1 / Fraction(factor).limit_denominator(1000)


def _taps(o: int, step: Fraction, mode: str, aligned: bool, antialias: bool) -> Sequence[int]:
    if mode in ("nearest", "nearest-exact"):
        return [floor((o + (Fraction(1, 2) if mode == "nearest-exact" else 0)) * step)]
    if mode == "area":
        return range(floor(o * step), ceil((o + 1) * step))
    middle = o * step if aligned else (o + Fraction(1, 2)) * step - Fraction(1, 2)
    reach = (2 if mode == "bicubic" else 1) * (step if antialias and step > 1 else Fraction(1))
    taps = range(floor(middle - reach) + 1, ceil(middle + reach))
    cubic_zeros = mode == "bicubic" and not antialias and middle.denominator == 1
    return [int(middle)] if cubic_zeros else taps


def neighbours(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """glu multiplies one half of an axis by the other, diff subtracts, local_response_norm divides by neighbours."""
    rank = len(value.shape)
    if op.name == "local_response_norm":
        place, size = 1, argument(op, 1, "size")
        taps = range(-(size // 2), (size + 1) // 2)
    elif op.name == "glu":
        place = argument(op, 1, "dim", -1) % rank
        taps = range(0, value.shape[place], value.shape[place] // 2)
    else:
        place, times = argument(op, 2, "dim", -1) % rank, argument(op, 1, "n", 1)
        if value.shape[place] - times != out.shape[place]:  # something is put before or behind it
            return lost(axis, out.shape, place) if axis.runs_along(place) else axis
        taps = range(times + 1)
    return read(axis, value.shape, out.shape, place, 1, [taps]) if axis.runs_along(place) else axis


def repeated(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """repeat_interleave: each position `repeats` times over."""
    place, times = argument(op, 2, "dim"), argument(op, 1, "repeats")
    if place is None or not isinstance(times, int):
        return None
    place %= len(value.shape)
    return read(axis, value.shape, out.shape, place, 1, [[0]] * times) if axis.runs_along(place) else axis


def shuffled(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """pixel_shuffle: position i goes to r·i … r·i + r − 1; pixel_unshuffle: the inverse."""
    place = axis.whole(value.shape)
    if place < len(value.shape) - 2:
        return None
    if op.name == "pixel_shuffle":
        return read(axis, value.shape, out.shape, place, 1, [[0]] * argument(op, 1, "upscale_factor"))
    r = argument(op, 1, "downscale_factor")
    return read(axis, value.shape, out.shape, place, r, [range(r)])


def unfolded(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """Windows as a new axis: Tensor.unfold puts them last, im2col into the channels."""
    if len(out.shape) == len(value.shape) + 1:
        place, size, step = argument(op, 1, "dimension"), argument(op, 2, "size"), argument(op, 3, "step")
        place %= len(value.shape)
        return (
            read(axis, value.shape, out.shape, place, step, [range(size)]) if axis.runs_along(place) else axis
        )
    place = axis.whole(value.shape)
    if place < 2:
        return None
    size, stride, padding, dilation, inner, count = _column(op, 1, value.shape[2:], place - 2)
    taps = range(-padding, -padding + dilation * size, dilation)
    sight = reading(axis.sight, stride, [taps]) if axis.sight else None
    return Axis((Digit(2, inner, count, 1),), sight, axis.length)


def folded(op: Op, axis: Axis, _value: Value, out: Value) -> State:
    """col2im adds windows up where they overlap, as a transposed convolution does."""
    for place in (2, 3):
        size, stride, padding, dilation, inner, count = _column(op, 2, out.shape[2:], place - 2)
        if axis.digits == (Digit(2, inner, count, 1),):
            offsets = _reached(stride, padding, dilation, size)
            return along(
                out.shape, place, reading(axis.sight, 1, offsets) if axis.sight else None, axis.length
            )
    return None


def _column(op: Op, first: int, image: Sequence[int], a: int) -> tuple[int, int, int, int, int, int]:
    """(size, stride, padding, dilation, inner, count) of im2col's windows along image axis `a`."""
    names = (("kernel_size", 1), ("dilation", 1), ("padding", 0), ("stride", 1))
    given = [argument(op, first + i, name, default) for i, (name, default) in enumerate(names)]
    counts = []
    for axis in (0, 1):
        size, dilation, padding, stride = (at(each, axis) for each in given)
        counts.append((image[axis] + 2 * padding - dilation * (size - 1) - 1) // stride + 1)
    size, dilation, padding, stride = (at(each, a) for each in given)
    return size, stride, padding, dilation, counts[1] if a == 0 else 1, counts[a]

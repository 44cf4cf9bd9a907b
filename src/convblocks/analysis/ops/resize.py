"""Ops that change a map's size: resampling, padding, shifts, space-to-depth, windows as columns."""

from collections.abc import Sequence, Set
from fractions import Fraction
from math import ceil, floor
from typing import Any

from convblocks.analysis.fields.axes import Axis, Digit, State, along, lost, mixed
from convblocks.analysis.fields.sight import reading
from convblocks.analysis.fields.windows import each_place, read
from convblocks.analysis.ops.convolution import reached
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
from convblocks.analysis.ops.shared_rules import Kept, as_list, each_input, keeps_inputs, keeps_nothing
from convblocks.analysis.ops.window import at
from convblocks.analysis.trace.fixes import fix_pad, fix_pixel_shuffle
from convblocks.analysis.trace.graph import OpCall, Value

INTERPOLATE, SHUFFLE, UNSHUFFLE, FOLD = "interpolate", "pixel_shuffle", "pixel_unshuffle", "fold"
REPEAT_INTERLEAVE, GRID_SAMPLE, PAD = "repeat_interleave", "grid_sample", "pad"
UP_SAMPLING = frozenset({INTERPOLATE, SHUFFLE, REPEAT_INTERLEAVE, FOLD, GRID_SAMPLE})
"""They may give a larger map, as transposed convolutions do."""


def _interpolated(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Reads the positions whose weight is not 0."""
    mode, aligned = call["mode"], bool(call["align_corners"])

    def move(axis: Axis, place: int) -> State:
        n, m = value.shape[place], out.shape[place]
        step = Fraction(n - 1, max(m - 1, 1)) if aligned else _step(call, place - 2, n, m)
        if mode == "area" and m == 1:
            return mixed(axis, place, stays=False)
        offsets = [_taps(o, step, mode, aligned, call["antialias"]) for o in range(step.denominator)]
        return read(axis, value.shape, out.shape, place, step.numerator, offsets)

    return each_place(axis, range(2, len(value.shape)), move)


def _step(call: OpCall, at_axis: int, n: int, m: int) -> Fraction:
    """Returns positions for each output: torch takes the scale that it was given, rather than what the sizes tell."""
    factor = call["scale_factor"]
    if factor is None or call["recompute_scale_factor"]:
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


def _interpolate_saved(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps nothing, since the weights depend on no value, but for the way that is an adaptive average."""
    return () if call["mode"] != "area" or max(call.outputs[0].shape[2:]) == 1 else call.inputs[:1]


def _padded(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Shifts, in any mode: away from the border every mode does only that."""
    amounts = call[PAD]
    shifts = {len(value.shape) - 1 - i // 2: amounts[i] for i in range(0, len(amounts), 2)}
    return _shifted(axis, value, out, shifts)


def _pad_saved(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    return call.inputs if call["mode"] in ("reflect", "replicate") else ()


def _rolled(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Shifts, away from the border; what comes round from the other end is not counted."""
    rank, dims = len(value.shape), call["dims"]
    if dims is None:
        return None
    amounts = as_list(call["shifts"], ())
    return _shifted(axis, value, out, dict(zip((p % rank for p in as_list(dims, ())), amounts, strict=True)))


def _shifted(axis: Axis, value: Value, out: Value, shifts: dict[int, int]) -> State:
    """Moves position i to i + shifts[tensor axis]."""
    state: State = axis
    for place, shift in shifts.items():
        if axis.runs_along(place) and (shift or value.shape != out.shape) and isinstance(state, Axis):
            state = read(state, value.shape, out.shape, place, 1, [[-shift]])
    return state


def _flipped(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    dims = call["dims"]
    flipped = as_list(dims if isinstance(dims, tuple) else call.args[1:], ())
    places = {place % len(value.shape) for place in flipped}

    def move(axis: Axis, place: int) -> State:
        return read(axis, value.shape, out.shape, place, -1, [[value.shape[place] - 1]])

    return each_place(axis, places, move)


def _repeated(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Gives each position `repeats` times over."""
    place, times = call["dim"], call["repeats"]
    if place is None or not isinstance(times, int):
        return None
    place %= len(value.shape)
    return read(axis, value.shape, out.shape, place, 1, [[0]] * times) if axis.runs_along(place) else axis


def _differences(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Subtracts neighbours `n` times over."""
    place, times = call["dim"] % len(value.shape), call["n"]
    if not axis.runs_along(place):
        return axis
    if value.shape[place] - times != out.shape[place]:  # something is put before or behind it
        return lost(axis, out.shape, place)
    return read(axis, value.shape, out.shape, place, 1, [range(times + 1)])


def _shuffled(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """pixel_shuffle moves position i to r·i … r·i + r − 1; pixel_unshuffle is the inverse."""
    place = axis.whole(value.shape)
    if place < len(value.shape) - 2:
        return None
    if call.name == SHUFFLE:
        return read(axis, value.shape, out.shape, place, 1, [[0]] * call["upscale_factor"])
    r = call["downscale_factor"]
    return read(axis, value.shape, out.shape, place, r, [range(r)])


def _channels_shuffled(_call: OpCall, axis: Axis, _value: Value, out: Value) -> State:
    return lost(axis, out.shape, 1) if axis.runs_along(1) else axis


def _unfolded(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Gives windows as a new axis: Tensor.unfold puts them last, im2col into the channels."""
    if len(out.shape) == len(value.shape) + 1:
        given = dict(zip(("dimension", "size", "step"), call.args[1:], strict=False)) | dict(call.kwargs)
        place, size, step = given["dimension"] % len(value.shape), given["size"], given["step"]
        return (
            read(axis, value.shape, out.shape, place, step, [range(size)]) if axis.runs_along(place) else axis
        )
    place = axis.whole(value.shape)
    if place < 2:
        return None
    size, stride, padding, dilation, inner, count = _column(call, value.shape[2:], place - 2)
    taps = range(-padding, -padding + dilation * size, dilation)
    sight = reading(axis.sight, stride, [taps]) if axis.sight else None
    return Axis((Digit(2, inner, count, 1),), sight, axis.length)


def _folded(call: OpCall, axis: Axis, _value: Value, out: Value) -> State:
    """Adds windows up where they overlap, as a transposed convolution does."""
    for place in (2, 3):
        size, stride, padding, dilation, inner, count = _column(call, out.shape[2:], place - 2)
        if axis.digits == (Digit(2, inner, count, 1),):
            offsets = reached(stride, padding, dilation, size)
            return along(
                out.shape, place, reading(axis.sight, 1, offsets) if axis.sight else None, axis.length
            )
    return None


def _column(call: OpCall, image: Sequence[int], a: int) -> tuple[int, int, int, int, int, int]:
    """Returns (size, stride, padding, dilation, inner, count) of im2col's windows along image axis `a`."""
    given = [call[name] for name in ("kernel_size", "dilation", "padding", "stride")]
    counts = []
    for axis in (0, 1):
        size, dilation, padding, stride = (at(each, axis) for each in given)
        counts.append((image[axis] + 2 * padding - dilation * (size - 1) - 1) // stride + 1)
    size, dilation, padding, stride = (at(each, a) for each in given)
    return size, stride, padding, dilation, counts[1] if a == 0 else 1, counts[a]


def _op(
    *names: str,
    field: FieldRule | Unknown,
    arguments: str,
    saved: SavedRule | Unknown = keeps_nothing,
    **facts: Any,
) -> None:
    given: dict[str, Any] = {"drawn": False, "macs": None, **facts}
    add(Op(
        names=names,
        arguments=arguments,
        shape=None,
        field=field,
        saved=saved,
        workspace=None,
        label=plain_name,
        **given,
    ))  # fmt: skip


_op(
    INTERPOLATE,
    field=each_input(_interpolated),
    saved=_interpolate_saved,
    arguments="input, size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None, "
    "antialias=False",
    drawn=True,
)
_op(
    "upsample",
    field=UNKNOWN,
    arguments="input, size=None, scale_factor=None, mode='nearest'",
    macs=UNKNOWN,
    drawn=True,
)
_op(GRID_SAMPLE, field=UNKNOWN, saved=keeps_inputs, arguments="input, grid")
_op("affine_grid", field=UNKNOWN, arguments="theta, size")
_op(
    PAD,
    fix=fix_pad,
    field=each_input(_padded),
    saved=_pad_saved,
    arguments="input, pad, mode='constant', value=None",
)
_op("roll", field=each_input(_rolled), arguments="input, shifts, dims=None")
_op("flip", field=each_input(_flipped), arguments="input, dims=None")
_op(
    REPEAT_INTERLEAVE,
    field=each_input(_repeated),
    arguments="input, repeats, dim=None",
    shaped_by_values=True,
)
_op("diff", field=each_input(_differences), arguments="input, n=1, dim=-1", drawn=True)
_op(
    SHUFFLE, fix=fix_pixel_shuffle, field=each_input(_shuffled), arguments="input, upscale_factor", drawn=True
)
_op(UNSHUFFLE, field=each_input(_shuffled), arguments="input, downscale_factor", drawn=True)
_op("channel_shuffle", field=each_input(_channels_shuffled), arguments="input, groups")
_op("unfold", field=each_input(_unfolded), arguments="input, kernel_size, dilation=1, padding=0, stride=1")
_op(
    FOLD,
    field=each_input(_folded),
    arguments="input, output_size, kernel_size, dilation=1, padding=0, stride=1",
)


def _pad_in(mode: str) -> Any:
    return lambda x, pad, value=0: (PAD, (x, tuple(pad), mode, value))


def _interpolate_in(mode: str) -> Any:
    def function_of(x: Any, size: Any, *more: Any) -> tuple[str, tuple[Any, ...]]:
        corners = more[0] if more and isinstance(more[0], bool) else None
        factors = more[-1] if more and not isinstance(more[-1], bool) else None
        return INTERPOLATE, (x, size, factors, mode, corners)

    return function_of


_UPSAMPLING = "nearest1d nearest2d nearest3d linear1d bilinear2d bicubic2d trilinear3d"
AS_FUNCTION["constant_pad_nd"] = _pad_in("constant")
AS_FUNCTION.update({f"reflection_pad{axes}d": _pad_in("reflect") for axes in (1, 2, 3)})
AS_FUNCTION.update({f"replication_pad{axes}d": _pad_in("replicate") for axes in (1, 2, 3)})
AS_FUNCTION.update({f"upsample_{kind}": _interpolate_in(kind[:-2]) for kind in _UPSAMPLING.split()})

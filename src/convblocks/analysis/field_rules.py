"""What each op does to the way a tensor sees one spatial axis of the input."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from convblocks.analysis.axes import ALL, Axis, State, moved, reshaped, union
from convblocks.analysis.rules import (
    ADAPTIVE,
    GLOBAL,
    LINEAR,
    MIXING,
    NORMS_OF_LAST_AXES,
    POINTWISE,
    REDUCTIONS,
    TRANSPOSED,
    Window,
    argument,
    weight_of,
    windows,
)
from convblocks.analysis.trace import Op, Value

Rule = Callable[[Op, Axis, Value, Value], State]
"""(op, how its input sees the axis, that input, the output) → how the output sees it."""


def through(op: Op, incoming: list[tuple[Value, State]], out: Value, index: int) -> State:
    """How the `index`-th output of an op sees the axis, from how its inputs do."""
    if op.name in PRODUCTS:
        return _product(op, dict(incoming), out)
    rule = RULES.get(op.name)
    states = [
        state if not isinstance(state, Axis) or rule is None else _one(rule, op, state, value, out, index)
        for value, state in incoming
    ]
    if rule is None:
        return ALL if all(state == ALL for state in states) else None
    met = states[0]
    for state in states[1:]:
        met = union(met, state)
    return met


def _one(rule: Rule, op: Op, axis: Axis, value: Value, out: Value, index: int) -> State:
    if op.name in PARTS and len(op.outputs) > 1:
        return _part(op, axis, value, out, index)
    return rule(op, axis, value, out)


def _pointwise(_op: Op, axis: Axis, value: Value, out: Value) -> State:
    """The same position; a tensor with fewer axes is aligned with the last ones."""
    place = axis.place + len(out.shape) - len(value.shape)
    if out.shape[place] != value.shape[axis.place]:  # stretched from one position
        return replace(axis, place=place, size=out.shape[place], step=0) if axis.size == 1 else None
    return replace(axis, place=place)


def _global(_op: Op, _axis: Axis, _value: Value, _out: Value) -> State:
    return ALL


def _windowed(op: Op, axis: Axis, value: Value, out: Value) -> State:
    seen = windows(op)
    assert seen is not None
    first = len(value.shape) - len(seen)
    if axis.place < first:
        return axis if axis.place == 0 else ALL  # the batch; channels are mixed
    if not axis.alone(value.shape):
        return None
    return _slid(axis, seen[axis.place - first], out)


def _slid(axis: Axis, window: Window, out: Value) -> Axis:
    lo = axis.lo - axis.step * window.padding
    hi = axis.hi - axis.step * window.padding + axis.step * window.dilation * (window.size - 1)
    return Axis.along(out.shape, axis.place, axis.step * window.stride, lo, hi)


def _transposed(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """Output o is reached from every i with o = stride·i − padding + dilation·k."""
    dims = TRANSPOSED[op.name]
    first = len(value.shape) - dims
    if axis.place < first or not axis.alone(value.shape):
        return None
    at = axis.place - first
    stride, padding, dilation = (
        _at(argument(op, i, n, d), at)
        for i, n, d in ((3, "stride", 1), (4, "padding", 0), (7, "dilation", 1))
    )
    reach = dilation * (weight_of(op).shape[2 + at] - 1)
    return _sampled(
        axis, out, Fraction(1, stride), Fraction(padding - reach, stride), Fraction(padding, stride)
    )


def _sampled(axis: Axis, out: Value, step: Fraction, lo: Fraction, hi: Fraction) -> Axis:
    """Output o sees positions step·o + lo … step·o + hi of the axis."""
    return Axis.along(
        out.shape, axis.place, axis.step * step, axis.step * lo + axis.lo, axis.step * hi + axis.hi
    )


def _adaptive(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """Output o averages from floor(o·n/m) up to, not including, ceil((o + 1)·n/m)."""
    if axis.place < len(value.shape) - ADAPTIVE[op.name]:
        return axis if axis.place == 0 else None
    if out.shape[axis.place] == 1:
        return ALL
    if not axis.alone(value.shape):
        return None
    step = Fraction(value.shape[axis.place], out.shape[axis.place])
    least = Fraction(1, step.denominator)
    return _sampled(axis, out, step, least - 1, step - least)


def _interpolated(op: Op, axis: Axis, value: Value, out: Value) -> State:
    if axis.place < 2 or not axis.alone(value.shape):
        return axis if axis.place == 0 else None
    step = Fraction(value.shape[axis.place], out.shape[axis.place])
    mode = argument(op, 3, "mode", "nearest")
    if mode == "nearest":
        return _sampled(axis, out, step, Fraction(1, step.denominator) - 1, Fraction(0))
    if mode in ("linear", "bilinear", "trilinear") and not argument(op, 4, "align_corners") and step <= 1:
        middle, reach = (step - 1) / 2, 1 - Fraction(1, 2 * step.denominator)
        return _sampled(axis, out, step, middle - reach, middle + reach)
    return None


def _linear(_op: Op, axis: Axis, value: Value, _out: Value) -> State:
    return ALL if axis.place == len(value.shape) - 1 else axis


def _last_axes(op: Op, axis: Axis, value: Value, _out: Value) -> State:
    return ALL if axis.place >= len(value.shape) - len(argument(op, 1, "normalized_shape")) else axis


def _mixing(op: Op, axis: Axis, value: Value, _out: Value) -> State:
    position, default = {"normalize": (2, 1)}.get(op.name, (1, -1))
    return ALL if axis.place == argument(op, position, "dim", default) % len(value.shape) else axis


def _reduced(op: Op, axis: Axis, value: Value, out: Value) -> State:
    rank = len(value.shape)
    position = 2 if op.name == "norm" else 1
    given = argument(op, position, "dim")
    if isinstance(given, Value):
        return None
    gone = {place % rank for place in _as_list(given, range(rank))}
    if axis.place in gone:
        return ALL
    return (
        axis
        if len(out.shape) == rank
        else replace(axis, place=axis.place - sum(p < axis.place for p in gone))
    )


def _reshaped(_op: Op, axis: Axis, value: Value, out: Value) -> State:
    return reshaped(axis, value.shape, out.shape)


def _permuted(op: Op, axis: Axis, value: Value, _out: Value) -> State:
    rank = len(value.shape)
    given = op.args[1] if isinstance(op.args[1], tuple) else op.args[1:]
    return moved(axis, [place % rank for place in given])


def _swapped(op: Op, axis: Axis, value: Value, _out: Value) -> State:
    rank = len(value.shape)
    a, b = argument(op, 1, "dim0", 0) % rank, argument(op, 2, "dim1", 1) % rank
    order = list(range(rank))
    order[a], order[b] = b, a
    return moved(axis, order)


def _movedim(op: Op, axis: Axis, value: Value, _out: Value) -> State:
    rank = len(value.shape)
    source, target = argument(op, 1, "source"), argument(op, 2, "destination")
    if not isinstance(source, int) or not isinstance(target, int):
        return None
    order = [place for place in range(rank) if place != source % rank]
    order.insert(target % rank, source % rank)
    return moved(axis, order)


def _padded(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """Any mode: away from the border every mode only shifts."""
    amounts = argument(op, 1, "pad")
    shifts = {len(value.shape) - 1 - i // 2: amounts[i] for i in range(0, len(amounts), 2)}
    if axis.place not in shifts:
        return axis
    if not axis.alone(value.shape):
        return None
    shift = axis.step * shifts[axis.place]
    return Axis.along(out.shape, axis.place, axis.step, axis.lo - shift, axis.hi - shift)


def _joined(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """cat: along another axis it only joins branches; along its own only the first keeps its place."""
    at = argument(op, 1, "dim", 0) % len(out.shape)
    return axis if axis.place != at else None


def _stacked(op: Op, axis: Axis, _value: Value, out: Value) -> State:
    at = argument(op, 1, "dim", 0) % len(out.shape)
    return replace(axis, place=axis.place + (axis.place >= at))


def _part(op: Op, axis: Axis, value: Value, out: Value, index: int) -> State:
    """split, chunk, unbind: the `index`-th part along an axis."""
    at = argument(op, 1 if op.name == "unbind" else 2, "dim", 0) % len(value.shape)
    if op.name == "unbind":
        return None if axis.place == at else replace(axis, place=axis.place - (axis.place > at))
    if axis.place != at:
        return axis
    before = sum(part.shape[at] for part in op.outputs[:index])
    shift = axis.step * before
    return (
        Axis.along(out.shape, at, axis.step, axis.lo + shift, axis.hi + shift)
        if axis.alone(value.shape)
        else None
    )


def _indexed(op: Op, axis: Axis, value: Value, out: Value) -> State:
    given = op.args[1] if isinstance(op.args[1], tuple) else (op.args[1],)
    if any(isinstance(part, Value | list) or type(part) is bool for part in given):
        return None
    taken = sum(part is not None and part is not Ellipsis for part in given)
    whole = [slice(None)] * (len(value.shape) - taken)
    spread: list[Any] = []
    for part in given:
        spread += whole if part is Ellipsis else [part]
    spread += whole if Ellipsis not in given else []
    place = old = 0
    for part in spread:
        if part is None:
            place += 1
            continue
        if old == axis.place:
            return _cut(axis, part, place, value, out)
        place, old = place + (not isinstance(part, int)), old + 1
    return None


def _cut(axis: Axis, part: Any, place: int, value: Value, out: Value) -> State:
    if part == slice(None):
        return replace(axis, place=place)
    if not isinstance(part, slice) or not axis.alone(value.shape):
        return None
    start, _, step = part.indices(value.shape[axis.place])
    lo, hi = axis.lo + axis.step * start, axis.hi + axis.step * start
    return Axis.along(out.shape, place, axis.step * step, lo, hi) if step > 0 else None


def _unmoved(op: Op, axis: Axis, value: Value, _out: Value) -> State:
    """roll and flip: fine along any other axis."""
    given = argument(op, 2 if op.name == "roll" else 1, "dims")
    touched = {place % len(value.shape) for place in _as_list(given, range(len(value.shape)))}
    return None if axis.place in touched else axis


def _shuffled(op: Op, axis: Axis, value: Value, out: Value) -> State:
    """pixel_shuffle: position i goes to r·i … r·i + r − 1; pixel_unshuffle: the inverse."""
    if axis.place < len(value.shape) - 2 or not axis.alone(value.shape):
        return None
    r = argument(op, 1, "upscale_factor" if op.name == "pixel_shuffle" else "downscale_factor")
    if op.name == "pixel_shuffle":
        return _sampled(axis, out, Fraction(1, r), Fraction(1, r) - 1, Fraction(0))
    return _sampled(axis, out, Fraction(r), Fraction(0), Fraction(r - 1))


def _channel_shuffled(_op: Op, axis: Axis, _value: Value, _out: Value) -> State:
    return axis


PRODUCTS = {"matmul", "__matmul__", "bmm", "mm", "baddbmm", "scaled_dot_product_attention"}


def _product(op: Op, states: dict[Value, State], _out: Value) -> State:
    """Rows of the left, columns of the right; what is summed over has been mixed."""
    kept: list[State] = []
    for i, value in enumerate(op.inputs):
        if value not in states:
            continue
        state, rank = states[value], len(value.shape)
        if isinstance(state, Axis):
            mixed = (
                (rank - 2, rank - 1) if op.name == "scaled_dot_product_attention" else (rank - (1, 2)[i % 2],)
            )
            state = ALL if state.place in mixed else state
        kept.append(state)
    met = kept[0]
    for state in kept[1:]:
        met = union(met, state)
    return met


PARTS = {"split", "chunk", "tensor_split", "unbind"}


def _as_list(given: Any, everything: Iterable[int]) -> list[int]:
    if given is None:
        return list(everything)
    return [given] if isinstance(given, int) else list(given)


def _at(value: Any, place: int) -> int:
    return value if isinstance(value, int) else value[place if len(value) > 1 else 0]


def _table(*groups: tuple[Iterable[str], Rule]) -> dict[str, Rule]:
    return {name: rule for names, rule in groups for name in names}


RULES = _table(
    (POINTWISE, _pointwise),
    (GLOBAL, _global),
    (LINEAR, _linear),
    (("conv1d", "conv2d", "conv3d"), _windowed),
    ([f"{kind}_pool{dims}d" for kind in ("max", "avg") for dims in (1, 2, 3)], _windowed),
    (TRANSPOSED, _transposed),
    (ADAPTIVE, _adaptive),
    (REDUCTIONS, _reduced),
    (MIXING, _mixing),
    (NORMS_OF_LAST_AXES, _last_axes),
    (("reshape", "view", "flatten", "unflatten", "reshape_as", "view_as", "squeeze", "unsqueeze"), _reshaped),
    (("permute",), _permuted),
    (("transpose", "swapaxes", "t"), _swapped),
    (("movedim",), _movedim),
    (("pad",), _padded),
    (("cat", "concat"), _joined),
    (("stack",), _stacked),
    (PARTS, _indexed),
    (("__getitem__",), _indexed),
    (("roll", "flip"), _unmoved),
    (("interpolate",), _interpolated),
    (("pixel_shuffle", "pixel_unshuffle"), _shuffled),
    (("channel_shuffle",), _channel_shuffled),
)

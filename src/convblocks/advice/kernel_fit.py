"""CB203, CB205 and CB206: kernels and paddings that do not fit each other or their map."""

from collections.abc import Iterator
from math import prod

from convblocks.advice.view import View, Violation
from convblocks.analysis.cost import macs
from convblocks.analysis.fields.receptive_field import Field
from convblocks.analysis.ops import CONVOLUTIONS, POINTWISE, POOLS, Window, weight_of, windows
from convblocks.analysis.trace import OpCall, Value
from convblocks.text import plural, times

WINDOWED = CONVOLUTIONS | POOLS


def reach(w: Window) -> int:
    """Returns the positions from the first to the last that one output sees."""
    return w.dilation * (w.size - 1) + 1


def map_of(op: OpCall) -> tuple[int, ...]:
    """Returns the spatial size of an op's input."""
    return op.inputs[0].shape[-WINDOWED[op.name] :]


def map_after(op: OpCall) -> tuple[int, ...]:
    """Returns the spatial size of an op's output."""
    return op.outputs[0].shape[-WINDOWED[op.name] :]


def _padded_before(view: View, op: OpCall) -> bool:
    before = view.maker(op.inputs[0])
    return before is not None and before.name == "pad"


def even_kernel(view: View) -> Iterator[Violation]:
    """Finds even kernels without stride, which have no centre: their output lies half a position off."""
    for op in view.trace.ops:
        if op.name not in WINDOWED or _causal(view, op):
            continue
        even = [
            w
            for w, out in zip(windows(op), map_after(op), strict=True)
            if w.stride == 1 and reach(w) % 2 == 0 and out > 1
        ]
        if even:
            kernel = times(w.size for w in windows(op))
            yield Violation(
                place=op.path,
                message=f"its {kernel} kernel has no centre: each such layer moves the map by half a position, and no "
                f"padding keeps its size ({times(map_of(op))} → {times(map_after(op))})",
                fix=f"kernel_size={even[0].size + 1} or {even[0].size - 1}, with padding="
                f"{even[0].dilation * even[0].size // 2} or {even[0].dilation * (even[0].size - 2) // 2}",
                figures={"kernel_size": even[0].size, "shift": 0.5},
            )


def _causal(view: View, op: OpCall) -> bool:
    """Returns whether an op looks back only, by padding one end, or both and cutting one off."""
    w = windows(op)[-1]
    before = view.maker(op.inputs[0])
    if before is not None and before.name == "pad":
        front, back = (*before["pad"], 0, 0)[:2]
        return min(front, back) == 0 and max(front, back) + w.padding >= reach(w) - 1
    return _cut_behind(view, op, WINDOWED[op.name] - 1)


def _cut_behind(view: View, op: OpCall, axis: int) -> bool:
    """Returns whether both ends are padded by all that the kernel takes away, and the surplus is cut off at one end."""
    w = windows(op)[axis]
    if w.stride != 1 or w.padding != reach(w) - 1:
        return False
    cuts = readers(view, op.outputs[0])
    given = view.field(op.inputs[0])[axis:][:1]
    return bool(cuts) and all(
        cut.name in ("__getitem__", "narrow")
        and cut.outputs[0].shape[2:][axis:][:1] == map_of(op)[axis : axis + 1]
        and _one_sided(given, view.field(cut.outputs[0])[axis:][:1])
        for cut in cuts
    )


def _one_sided(given: Field, field: Field) -> bool:
    """Returns whether the field begins or ends where the given one does, or if that is unknown."""
    return all(
        not isinstance(a, tuple) or not isinstance(b, tuple) or a[1] == b[1] or a[2] == b[2]
        for a, b in zip(given, field, strict=False)
    )


def readers(view: View, value: Value) -> list[OpCall]:
    """Returns what reads a value's positions, each by itself, past activations and the like."""
    ops: list[OpCall] = []
    for op in view.only_uses(value):
        plain = op.name in POINTWISE and len(view.maps(op)) == 1 and op.outputs[0].shape == value.shape
        behind = readers(view, op.outputs[0]) if plain else []
        ops += behind or [op]
    return ops


def padding_off(view: View) -> Iterator[Violation]:
    """Finds padding that is not what the kernel takes away, (kernel_size − 1)·dilation/2 at each end."""
    for op in view.convolutions():
        if _padded_before(view, op):
            continue
        for axis, w in enumerate(windows(op)):
            n, out = map_of(op)[axis], map_after(op)[axis]
            fits, odd = divmod(reach(w) - 1, 2)
            fitting = (n + 2 * fits - reach(w)) // w.stride + 1
            grows = w.padding > fits + odd and out > fitting
            shrinks = w.padding < fits and 1 < out < fitting and w.stride < reach(w)
            if (not grows and not shrinks) or _cut_behind(view, op, axis):
                continue
            one_less = w.stride > 1 and fitting - out == 1  # as in AlexNet: the border, and nothing adds up
            what = f"padding of {w.padding} around" if w.padding else "no padding around"
            dilated = f" with dilation {w.dilation}" if w.dilation > 1 else ""
            strided = f" with stride {w.stride}, where {fitting} would be" if w.stride > 1 else ""
            verb = "becomes" if w.stride > 1 else "grows" if grows else "shrinks"
            yield Violation(
                place=op.path,
                message=f"the map {verb}: {times(map_of(op))} → {times(map_after(op))}"
                f"{strided}, by {what} a kernel of {w.size}{dilated}",
                fix=f"padding={fits} keeps it"
                if w.stride == 1
                else f"padding={fits}, so that only the stride makes it smaller",
                figures={
                    "kernel_size": w.size,
                    "padding": w.padding,
                    "fitting_padding": fits,
                    "from": n,
                    "to": out,
                },
                severity=None if w.padding and not one_less else "note",
            )
            break


def taps_beyond_map(view: View) -> Iterator[Violation]:
    """Finds weights of a kernel that at no output position meet anything but padding."""
    for op in view.convolutions():
        touched = [
            _touched(w, n, out) for w, n, out in zip(windows(op), map_of(op), map_after(op), strict=True)
        ]
        taps = prod(w.size for w in windows(op))
        useful = prod(touched)
        if useful < taps and useful:
            weight = weight_of(op)
            idle = weight.elements // taps * (taps - useful)
            spent = macs(op) // taps * (taps - useful)
            yield Violation(
                place=op.path,
                message=f"on a map of {times(map_of(op))}, {taps - useful} of the {taps} weights of its "
                f"{times(w.size for w in windows(op))} kernel meet padding only: {plural(idle, 'parameter')} and "
                f"{plural(spent, 'MAC')} an image for nothing",
                fix="fewer strides before it, a larger image, or a smaller kernel here",
                figures={"params": idle, "macs": spent, "useful_taps": useful, "taps": taps},
            )


def _touched(w: Window, n: int, out: int) -> int:
    """Counts the taps of a kernel along one axis that meet the map at some output position."""
    return sum(
        any(0 <= o * w.stride + tap * w.dilation - w.padding < n for o in range(out)) for tap in range(w.size)
    )

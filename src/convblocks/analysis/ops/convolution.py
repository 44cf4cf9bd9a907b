"""Convolutions and transposed convolutions (Dumoulin & Visin 2016, arXiv:1603.07285)."""

from collections.abc import Set
from math import prod
from typing import Any

import torch

from convblocks.analysis.fields.axes import Axis, State, mixed
from convblocks.analysis.fields.windows import each_place, read
from convblocks.analysis.ops.convolution_workspace import WORKSPACE
from convblocks.analysis.ops.op import AS_FUNCTION, Op, Window, add
from convblocks.analysis.ops.shared_rules import Kept, each_input, option
from convblocks.analysis.ops.window import at, weight_of, windowed, windows
from convblocks.analysis.trace.fixes import fix_convolution
from convblocks.analysis.trace.graph import OpCall, Shape, Value
from convblocks.text import times

FUNCTIONS = {
    f"conv{axes}d": (axes, f) for axes, f in enumerate((torch.conv1d, torch.conv2d, torch.conv3d), 1)
}
CONVOLUTIONS = {name: axes for name, (axes, _) in FUNCTIONS.items()}
TRANSPOSED = {f"conv_transpose{axes}d": axes for axes in (1, 2, 3)}


def _shape(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Shape | None:
    kernel = weight.shape
    dims = len(kernel) - 2
    if isinstance(padding, str) or x.ndim != dims + 2 or x.shape[1] != kernel[1] * groups:
        return None
    stride, padding, dilation = (
        (v,) * dims if isinstance(v, int) else tuple(v) * (dims if len(v) == 1 else 1)
        for v in (stride, padding, dilation)
    )
    spatial = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x.shape[2:], kernel[2:], stride, padding, dilation, strict=True)
    )
    return (x.shape[0], kernel[0], *spatial) if min(spatial) > 0 else None


def _macs(call: OpCall) -> int:
    """Each output element reads its part of the weight once."""
    return prod(call.outputs[0].shape) * prod(weight_of(call).shape[1:])


def _transposed_macs(call: OpCall) -> int:
    """Each input element is spread over its part of the weight once."""
    return prod(call.inputs[0].shape) * prod(weight_of(call).shape[1:])


def _window(call: OpCall, axis: int) -> Window:
    """Returns the window along an axis; padding="same" puts the odd position out behind."""
    size, dilation, padding = weight_of(call).shape[2 + axis], at(call["dilation"], axis), call["padding"]
    if isinstance(padding, str):
        padding = dilation * (size - 1) // 2 if padding == "same" else 0
    return Window(size, at(call["stride"], axis), at(padding, axis), dilation)


def _channels(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Mixes the channels of a group, along which an axis may run in part, as after space-to-depth."""
    channels = len(value.shape) - len(out.shape[2:]) - 1
    if not axis.runs_along(channels):
        return axis
    groups = call["groups"]
    if groups == 1:
        return mixed(axis, channels, stays=False)
    return axis if groups == value.shape[channels] == out.shape[channels] else None


def _transposed_field(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Output o is reached from every i with o = stride·i − padding + dilation·k (section 4)."""
    rank = len(value.shape)
    first = rank - call.entry.axes

    def move(axis: Axis, place: int) -> State:
        size, stride, padding, dilation = _window(call, place - first)
        return read(axis, value.shape, out.shape, place, 1, reached(stride, padding, dilation, size))

    return each_place(_channels(call, axis, value, out), range(first, rank), move)


def reached(stride: int, padding: int, dilation: int, size: int) -> list[list[int]]:
    """Returns the inputs that reach each of `stride` outputs, where each input is spread over a window."""
    taps = [padding - dilation * k for k in reversed(range(size))]
    return [[(r + tap) // stride for tap in taps if (r + tap) % stride == 0] for r in range(stride)]


def _saved(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps map and weight, whichever of them learns; padding by itself makes a copy of the map.

    So does padding="same" where one end gets a position more than the other.
    """
    x, weight = call.inputs[:2]
    if call["padding"] == "same":
        dilation = call["dilation"]
        total = [at(dilation, axis) * (k - 1) for axis, k in enumerate(weight.shape[2:])]
        if any(n % 2 for n in total):
            longer = [n + amount % 2 for n, amount in zip(x.shape[2:], total, strict=True)]
            return prod((*x.shape[:2], *longer)) * x.dtype.itemsize, weight
    return x, weight


def _label(call: OpCall) -> str:
    axes, transposed = call.entry.axes, call.name in TRANSPOSED
    inputs, outputs = call.inputs[0].shape[-axes - 1], call.outputs[0].shape[-axes - 1]
    text = (
        f"{times(weight_of(call).shape[2:])} {'transposed ' if transposed else ''}conv, {inputs} → {outputs}"
    )
    text += option("stride", [each.stride for each in windows(call)])
    text += option("dilation", [each.dilation for each in windows(call)])
    return text + (f", groups {call['groups']}" if call["groups"] > 1 else "")


for _name, (_axes, _function) in FUNCTIONS.items():
    add(Op(
        names=(_name,),
        arguments="input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1",
        shape={_function: _shape},
        macs=_macs,
        field=windowed(_window, _channels),
        saved=_saved,
        workspace=WORKSPACE,
        label=_label,
        fix=fix_convolution,
        factors=slice(2),
        window=_window,
        axes=_axes,
        layer=True,
        gate=True,
        checks_operands=True,
    ))  # fmt: skip
for _name, _axes in TRANSPOSED.items():
    add(Op(
        names=(_name,),
        arguments="input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1",
        shape=None,
        macs=_transposed_macs,
        field=each_input(_transposed_field),
        saved=_saved,
        workspace=WORKSPACE,
        label=_label,
        fix=fix_convolution,
        factors=slice(2),
        window=_window,
        axes=_axes,
        layer=True,
        checks_operands=True,
    ))  # fmt: skip


def _function_of(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, *more: Any
) -> tuple[str, tuple[Any, ...]]:
    transposed, output_padding, groups = more[:3]
    axes = len(weight.shape) - 2
    if transposed:
        return f"conv_transpose{axes}d", (x, weight, bias, stride, padding, output_padding, groups, dilation)
    return f"conv{axes}d", (x, weight, bias, stride, padding, dilation, groups)


AS_FUNCTION.update(_convolution=_function_of, convolution=_function_of)

"""Pools, and adaptive pools, which are given the size of their output."""

from collections.abc import Set
from fractions import Fraction
from math import ceil, floor
from typing import Any

import torch
import torch.nn.functional as F

from convblocks.analysis.fields.axes import Axis, State, mixed
from convblocks.analysis.fields.windows import each_place, read
from convblocks.analysis.ops.op import UNKNOWN, Op, Window, add, plain_name
from convblocks.analysis.ops.shared_rules import Kept, each_input, keeps_input, option
from convblocks.analysis.ops.window import at, windowed, windows
from convblocks.analysis.trace.fixes import fix_pool
from convblocks.analysis.trace.graph import OpCall, Shape, Value
from convblocks.text import times

INDEX_BYTES = 8  # of PyTorch's indices, which are int64
_AXES = (1, 2, 3)
_INDICES = "_with_indices"  # the name where the positions of the greatest are returned too
MAX_POOLS = {f"max_pool{axes}d{mark}": axes for mark in ("", _INDICES) for axes in _AXES}
AVERAGE_POOLS = {f"avg_pool{axes}d": axes for axes in _AXES}
POWER_POOLS = {f"lp_pool{axes}d": axes for axes in _AXES}
POOLS = MAX_POOLS | AVERAGE_POOLS | POWER_POOLS
ADAPTIVE_AVERAGE = {f"adaptive_avg_pool{axes}d": axes for axes in _AXES}
ADAPTIVE_MAX = {f"adaptive_max_pool{axes}d{mark}": axes for mark in ("", _INDICES) for axes in _AXES}
ADAPTIVE = ADAPTIVE_AVERAGE | ADAPTIVE_MAX


def _max_pool_shape(
    x: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Shape | None:
    if ceil_mode or return_indices or x.ndim != 4:
        return None
    kernel, pad, dilate = _pair(kernel_size), _pair(padding), _pair(dilation)
    step = _pair(stride) if stride else kernel
    if any(2 * p > k for p, k in zip(pad, kernel, strict=True)):
        return None
    spatial = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x.shape[2:], kernel, step, pad, dilate, strict=True)
    )
    return (*x.shape[:2], *spatial) if min(spatial) > 0 else None


def _adaptive_shape(x: torch.Tensor, output_size: Any) -> Shape | None:
    sizes = _pair(output_size)
    if x.ndim != 4 or 0 in x.shape:
        return None
    return (*x.shape[:2], *[n if size is None else size for n, size in zip(x.shape[2:], sizes, strict=True)])


def _pair(value: Any) -> tuple[Any, Any]:
    return (value, value) if isinstance(value, int) or value is None else (value[0], value[-1])


def _window(call: OpCall, axis: int) -> Window:
    """Returns the window along an axis; power pools pad nothing, and only max pools are dilated."""
    kernel = call["kernel_size"]
    stride, padding, dilation = call["stride"] or kernel, call.get("padding", 0), call.get("dilation", 1)
    return Window(at(kernel, axis), at(stride, axis), at(padding, axis), at(dilation, axis))


def _each_channel(_call: OpCall, axis: Axis, _value: Value, _out: Value) -> State:
    return axis


def _adaptive_field(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Output o of m reads positions floor(o·n/m) up to, not including, ceil((o + 1)·n/m)."""

    def move(axis: Axis, place: int) -> State:
        if out.shape[place] == 1:
            return mixed(axis, place, stays=False)
        step = Fraction(value.shape[place], out.shape[place])
        offsets = [range(floor(o * step), ceil((o + 1) * step)) for o in range(step.denominator)]
        return read(axis, value.shape, out.shape, place, step.numerator, offsets)

    rank = len(value.shape)
    return each_place(axis, range(rank - call.entry.axes, rank), move)


def _max_saved(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    return call.inputs[0], call.outputs[0].elements * INDEX_BYTES


def _adaptive_average_saved(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps nothing where the output is one pixel: that is a mean."""
    return () if max(call.outputs[0].shape[-call.entry.axes :]) == 1 else call.inputs


def _label(call: OpCall) -> str:
    along = windows(call)
    return f"{times(w.size for w in along)} {plain_name(call)}" + option("stride", [w.stride for w in along])


def _adaptive_label(call: OpCall) -> str:
    return f"{plain_name(call)} to {times(call.outputs[0].shape[-call.entry.axes :])}"


_MAX = "input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False"
_AVERAGE = "input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True"
_POWER = "input, norm_type, kernel_size, stride=None, ceil_mode=False"
for _name, _axes in POOLS.items():
    _arguments = _MAX if _name in MAX_POOLS else _AVERAGE if _name in AVERAGE_POOLS else _POWER
    add(Op(
        names=(_name,),
        arguments=_arguments,
        shape={F.max_pool2d: _max_pool_shape} if _name == "max_pool2d" else None,
        macs=None,
        field=windowed(_window, _each_channel),
        saved=_max_saved if _name in MAX_POOLS else keeps_input if _name in AVERAGE_POOLS else UNKNOWN,
        workspace=None,
        label=_label,
        fix=None if _name in POWER_POOLS else fix_pool,
        window=_window,
        axes=_axes,
    ))  # fmt: skip
for _name, _axes in ADAPTIVE.items():
    add(Op(
        names=(_name,),
        arguments="input, output_size, return_indices=False",
        shape={F.adaptive_avg_pool2d: _adaptive_shape} if _name == "adaptive_avg_pool2d" else None,
        macs=None,
        field=each_input(_adaptive_field),
        saved=_adaptive_average_saved if _name in ADAPTIVE_AVERAGE else _max_saved,
        workspace=None,
        label=_adaptive_label,
        axes=_axes,
    ))  # fmt: skip

"""Reads options that are given for one axis or for all, and the windows of convolutions and pools."""

from typing import Any

from convblocks.analysis.fields.axes import Axis, State, mixed
from convblocks.analysis.fields.windows import each_place, read
from convblocks.analysis.ops.op import FieldRule, Window, WindowRule
from convblocks.analysis.ops.shared_rules import AxisRule, each_input
from convblocks.analysis.trace.graph import OpCall, Value


def at(value: Any, axis: int) -> int:
    """Returns what an option, given for one axis or for all, is along one axis."""
    return value if isinstance(value, int) else value[axis if len(value) > 1 else 0]


def weight_of(call: OpCall) -> Value:
    """Returns the weight of a convolution or linear layer."""
    value = call["weight"]
    assert isinstance(value, Value)
    return value


def window(call: OpCall, axis: int) -> Window:
    """Returns the window of a convolution, transposed or not, or pool along its spatial axis number `axis`."""
    rule = call.entry.window
    assert rule is not None
    return rule(call, axis)


def windows(call: OpCall) -> list[Window]:
    """Returns the window along each spatial axis."""
    return [window(call, axis) for axis in range(call.entry.axes)]


def all_channels(_call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Mixes all channels of a map, along which an axis may run in part, as after space-to-depth."""
    channels = len(value.shape) - len(out.shape[2:]) - 1
    return mixed(axis, channels, stays=False) if axis.runs_along(channels) else axis


def windowed(rule: WindowRule, channels: AxisRule = all_channels) -> FieldRule:
    """Returns the rule of an op whose outputs each read a window of a map (N, K, *n) or (K, *n).

    Args:
        rule: The window along each spatial axis.
        channels: How it reads the channels.
    """

    def field(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
        rank = len(value.shape)
        first = rank - len(out.shape[2:])

        def move(axis: Axis, place: int) -> State:
            size, stride, padding, dilation = rule(call, place - first)
            taps = range(-padding, dilation * (size - 1) - padding + 1, dilation)
            return read(axis, value.shape, out.shape, place, stride, (taps,))

        return each_place(channels(call, axis, value, out), range(first, rank), move)

    return each_input(field)

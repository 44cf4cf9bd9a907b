"""Reads options that are given for one axis or for all, and the windows of convolutions and pools."""

from typing import Any

from convblocks.analysis.ops.op import Window
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
    rule = call.op.window
    assert rule is not None
    return rule(call, axis)


def windows(call: OpCall) -> list[Window]:
    """Returns the window along each spatial axis."""
    return [window(call, axis) for axis in range(call.op.axes)]

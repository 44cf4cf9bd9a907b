"""An op in a few words: its kernel, channels and stride, or its name as papers write it."""

import re
from collections.abc import Sequence

from convblocks.analysis.names import ADAPTIVE, CONVOLUTIONS, LINEAR, POOLS, TRANSPOSED
from convblocks.analysis.rules import argument, at, weight_of, window
from convblocks.analysis.trace import Op
from convblocks.analysis.trace.shapes import Shape
from convblocks.text import times

PRODUCTS = {**CONVOLUTIONS, **TRANSPOSED}
CONCATENATIONS = {"cat", "concat", "concatenate", "stack"}
SIGNS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "truediv": "÷"}
WRITTEN = {"relu": "ReLU", "relu6": "ReLU6", "prelu": "PReLU", "gelu": "GELU", "silu": "SiLU", "elu": "ELU"}


def named(what: str, shape: Shape, channels: int | None = 1, batch: int = 0) -> str:
    """An input or output: its channels and map, in the order of its axes."""
    return ", ".join([what, *_size(shape, channels, batch)])


def named_outputs(outputs: Sequence[tuple[Shape, int]]) -> str:
    """What a module puts out: shapes (N, …), each with the axis of its channels.

    ``output, 4 channels, 8×8``; of several ``outputs: 3, 1 and 4 channels, 8×8`` where only their channels differ, else
    each by itself: ``outputs: 3 channels of 16×16 and 10 channels``.
    """
    if len(outputs) == 1:
        return named("output", *outputs[0])
    maps = {shape[2:] if len(shape) > 1 and channels == 1 else None for shape, channels in outputs}
    if len(maps) == 1 and None not in maps:
        *first, last = (str(shape[1]) for shape, _ in outputs)
        _, *size = _size(*outputs[0])
        return ", ".join([f"outputs: {', '.join(first)} and {last} channels", *size])
    *first, last = (" of ".join(_size(shape, channels)) for shape, channels in outputs)
    return f"outputs: {', '.join(first)} and {last}"


def _size(shape: Shape, channels: int | None, batch: int = 0) -> list[str]:
    if not shape:
        return ["one number"]
    if len(shape) == 1:
        return ["one number per example"]
    spatial = [place for place in range(len(shape)) if place not in (batch, channels)]
    parts = [times([shape[place] for place in spatial])] if spatial else []
    if channels is not None:
        count = f"{shape[channels]} channel{'' if shape[channels] == 1 else 's'}"
        parts.insert(0 if not spatial or channels < spatial[0] else 1, count)
    return parts


def detail(op: Op) -> str:
    """An op that stands within the box of the one before."""
    sign = _sign(op)
    if sign:
        return f"{sign} learnt or fixed {'factor' if sign in '×÷' else 'term'}"
    return _name(op)


def text(op: Op, joins: bool) -> str:
    """An op with a box of its own; `joins` if it takes several values that come from the input."""
    if op.name in LINEAR:
        return f"linear, {weight_of(op).shape[1]} → {weight_of(op).shape[0]}"
    if op.name in CONCATENATIONS:
        return f"concat, {op.outputs[0].shape[1]} channels" if len(op.outputs[0].shape) > 1 else "concat"
    if op.name in PRODUCTS:
        return _convolution(op)
    if op.name in POOLS:
        axes = [window(op, axis) for axis in range(POOLS[op.name])]
        told = f"{times([axis.size for axis in axes])} {_name(op)}"
        return told + _option("stride", [axis.stride for axis in axes])
    if op.name in ADAPTIVE:
        return f"{_name(op)} to {times(op.outputs[0].shape[-ADAPTIVE[op.name] :])}"
    return (_sign(op) or _name(op)) if joins else detail(op)


def _convolution(op: Op) -> str:
    kernel, dims, transposed = weight_of(op).shape, PRODUCTS[op.name], op.name in TRANSPOSED
    inputs, outputs = op.inputs[0].shape[-dims - 1], op.outputs[0].shape[-dims - 1]
    told = f"{times(kernel[2:])} {'transposed ' if transposed else ''}conv, {inputs} → {outputs}"
    for place, option in ((3, "stride"), (7 if transposed else 5, "dilation")):
        told += _option(option, [at(argument(op, place, option, 1), axis) for axis in range(dims)])
    groups = argument(op, 6, "groups", 1)
    return told + (f", groups {groups}" if groups > 1 else "")


def _option(name: str, axes: list[int]) -> str:
    """Left out where it is 1 along every axis."""
    if max(axes) == 1:
        return ""
    return f", {name} {axes[0] if len(set(axes)) == 1 else times(axes)}"


def _sign(op: Op) -> str:
    """+ of ``add``, ``add_``, ``__radd__`` and ``__iadd__``."""
    name = op.name.strip("_")
    return SIGNS.get(name, SIGNS.get(name[1:], ""))


def _name(op: Op) -> str:
    name = re.sub(r"\dd(_with_indices)?$", "", op.name.strip("_"))
    if name == "hardtanh" and (argument(op, 1, "min_val", -1), argument(op, 2, "max_val", 1)) == (0, 6):
        name = "relu6"  # as torch itself calls it
    return WRITTEN.get(name, name.replace("_", " "))

"""The texts of a drawing: an op as its entry labels it, and an input or output by its size."""

from collections.abc import Sequence

from convblocks.analysis.trace import OpCall
from convblocks.analysis.trace.graph import Shape
from convblocks.text import times


def named(what: str, shape: Shape, channels: int | None = 1, batch: int = 0) -> str:
    """Returns an input or output as text: its channels and map, in the order of its axes."""
    return ", ".join([what, *_size(shape, channels, batch)])


def named_outputs(outputs: Sequence[tuple[Shape, int]]) -> str:
    """Returns what a module puts out as text, of shapes (N, …), each with the axis of its channels.

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


def text(call: OpCall, joins: bool) -> str:
    """Returns an op as text.

    Args:
        call: The op.
        joins: Whether it takes several values that come from the input; a sum with a weight names that instead.
    """
    sign = call.entry.sign
    if sign and not joins:
        return f"{sign} learnt or fixed {'factor' if sign in '×÷' else 'term'}"
    return call.entry.label(call)

"""CB204: layers whose input already sees the whole image, and what removing them would save."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from convblocks.advice.kernel_fit import WINDOWED, reach
from convblocks.advice.view import RESAMPLED, WEIGHTED, View, Violation, named
from convblocks.analysis.cost import macs
from convblocks.analysis.fields.receptive_field import Field, spatial_axes, spatial_size
from convblocks.analysis.ops import CONVOLUTIONS, NORMS, POINTWISE, windows
from convblocks.analysis.trace import OpCall, Value
from convblocks.analysis.trace.graph import Shape
from convblocks.text import listed, plural, times

KEEPING = POINTWISE | NORMS  # norms and activations go with the layer before them


class Tail(Struct, frozen=True):
    """A run of ops that can be taken out, ops[start:stop] of a trace: one tensor goes in, one comes out."""

    start: int
    stop: int
    layers: tuple[OpCall, ...]  # the convolutions and linear layers among them
    params: int
    macs: int
    given: Shape  # without the batch axis
    output: Shape


def removable_tail(view: View) -> Tail | None:
    """Returns the longest run of ops behind the last productive layer that one tensor enters; None if there is none.

    A layer is productive if its input does not yet see the whole image (Richter et al. 2021, arXiv:2106.12307).
    """
    size = spatial_size(view.trace)
    convolutions = [(i, op) for i, op in enumerate(view.trace.ops) if op.name in CONVOLUTIONS]
    seeing = [(i, _sees_all(view.field(op.inputs[0]), size)) for i, op in convolutions]
    productive = [i for i, all_of_it in seeing if all_of_it is False]
    last = max((i for i, all_of_it in seeing if all_of_it), default=-1)
    first = productive[-1] + 1 if productive else 0
    if last < first or not size or any(op.name in RESAMPLED for op in view.trace.ops):
        return None  # what gives out a map, as a decoder does, has other work than to see more
    ops, crossing = view.trace.ops, _crossing(view)
    start = next(
        (i for i in range(first, last + 1) if crossing[i] and _begins_layer(view, ops[i : last + 1])), None
    )
    if start is None or (given := crossing[start]) is None:
        return None
    stop = last + 1
    while stop < len(ops) and (ops[stop].name in KEEPING or not _read_once(view, crossing[stop])):
        stop += 1
    layers = tuple(op for op in ops[start:stop] if op in set(view.weighted()))
    numbers = {v.number: v for op in ops[start:stop] for v in op.inputs if v.number in view.trace.parameters}
    before = {v.number for op in ops[:start] for v in op.inputs}
    return Tail(
        start=start,
        stop=stop,
        layers=layers,
        params=sum(value.elements for number, value in numbers.items() if number not in before),
        macs=sum(map(macs, ops[start:stop])),
        given=given.shape[1:],
        output=ops[stop - 1].outputs[0].shape[1:],
    )


def unproductive_tail(view: View) -> Iterator[Violation]:
    """Finds layers whose input already sees the whole image; a note where only the longest path sees it."""
    tail = removable_tail(view)
    if tail is None or not tail.layers:
        return
    paths = [named(op.path, op.name) for op in tail.layers]
    params, total = tail.params / max(view.analysis.params, 1), tail.macs / view.analysis.macs
    sure = _sure(view, tail)
    kept = tail.given == tail.output
    reads = "" if kept else f"; what follows then reads {times(tail.given)}, not {times(tail.output)}"
    yield Violation(
        place=tail.layers[0].path,
        message=f"from here on every layer's input sees the whole image of {times(spatial_size(view.trace))}"
        f"{'' if sure else ', by its longest path at least'}: {plural(len(paths), 'layer')} "
        f"({listed(dict.fromkeys(paths), most=3)}) that add no context",
        fix=f"removing them saves {plural(tail.params, 'parameter')} ({params:.0%}) and {plural(tail.macs, 'MAC')} "
        f"({total:.0%}){reads}; `convblocks probe` tells whether a trained network needs them",
        figures={"layers": len(paths), "params": tail.params, "macs": tail.macs},
        severity="warning" if sure else "note",
    )


def _read_once(view: View, value: Value | None) -> bool:
    """Returns whether a tensor goes on alone: what gates it reads it too."""
    return value is not None and len(view.readers.get(value.number, ())) <= 1


def _begins_layer(view: View, ops: Sequence[OpCall]) -> bool:
    """Returns whether a layer comes next, not the norm, activation or gate of the one before."""
    first = next(op for op in ops if op.name in WEIGHTED)
    gate = _sees_all(view.field(first.inputs[0]), spatial_size(view.trace)) is None
    return ops[0].name not in KEEPING and not gate


def _sees_all(field: Field, size: Shape) -> bool | None:
    """Returns whether a field covers the image; None where it is unknown, or mixed by an op such as attention."""
    if not all(isinstance(axis, tuple) for axis in field):
        return None
    return all(
        isinstance(axis, tuple) and axis[2] - axis[1] + 1 >= n for axis, n in zip(field, size, strict=True)
    )


def _crossing(view: View) -> list[Value | None]:
    """Returns, in front of each op, the one dependent tensor that is still needed; None where there are several."""
    ops = view.trace.ops
    last = {value.number: i for i, op in enumerate(ops) for value in op.inputs}
    last |= dict.fromkeys(view.given_out, len(ops))
    needed = {value.number: value for value in view.trace.inputs}
    crossing: list[Value | None] = []
    for i, op in enumerate(ops):
        needed = {number: value for number, value in needed.items() if last.get(number, -1) >= i}
        crossing.append(next(iter(needed.values())) if len(needed) == 1 else None)
        if view.maps(op):
            needed |= {value.number: value for value in op.outputs}
    return crossing


def _sure(view: View, tail: Tail) -> bool:
    """Returns whether the inputs of its layers see the whole image along every path."""
    least = _least(view)
    size = spatial_size(view.trace)
    return all(
        r >= n for op in tail.layers for r, n in zip(least.get(op.inputs[0].number, ()), size, strict=False)
    )


def _least(view: View) -> dict[int, list[int]]:
    """Returns the receptive field's size along the path that sees least, by value and axis."""
    start = view.trace.input
    sizes_of = {start.number: [1] * len(spatial_axes(view.trace))}
    for op in view.trace.ops:
        sizes = [sizes_of[value.number] for value in op.inputs if value.number in sizes_of]
        if not sizes:
            continue
        least = [min(along) for along in zip(*sizes, strict=True)]
        if op.name in WINDOWED:
            steps = [abs(int(axis[0])) if isinstance(axis, tuple) else 1 for axis in view.field(op.inputs[0])]
            grown = zip(least, windows(op), steps, strict=False)
            least = [r + (reach(w) - 1) * step for r, w, step in grown]
        for value in op.outputs:
            sizes_of[value.number] = least
    return sizes_of

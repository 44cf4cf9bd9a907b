"""Receptive field per axis, exactly: output i sees inputs step·i + lo … step·i + hi.

Every value of a trace carries, for each spatial axis of the input, where in the tensor that axis runs (axes.py) and
what its positions see (sight.py), or that it sees all once an op has mixed the whole axis. Branches meet by union.
A field is the narrowed form of that: after up-sampling, step is a fraction, and the inputs are the whole
numbers within. It is that of the positions of the map, over all its channels: what space-to-depth has put into the
channels is joined. What no rule covers is unknown, never guessed.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Literal

import torch
from msgspec import Struct
from torch import nn

from convblocks.analysis.fields.axes import ALL, POOLED, Axis, Digit, State, joined_over
from convblocks.analysis.fields.follow import States, followed
from convblocks.analysis.fields.sight import Number, hull, reading
from convblocks.analysis.ops import LINEAR, MULTI_HEAD, RECURRENT
from convblocks.analysis.trace import OpCall, Trace, Value, as_trace, once_per_trace
from convblocks.analysis.trace.graph import Shape
from convblocks.layout import Layout, axis_names

AxisField = tuple[Number, Number, Number] | Literal["all"] | None
"""(step, lo, hi) of one axis; "all": the whole input; None: an op without a rule stands before it."""
Field = tuple[AxisField, ...]
"""One for each spatial axis of the first input."""
FEATURES_LAST = LINEAR | MULTI_HEAD


def receptive_field(
    target: nn.Module | Trace,
    *input_sizes: Sequence[int],
    dtypes: Sequence[torch.dtype] = (),
    axes: str | None = None,
    through_gates: bool = True,
) -> Field:
    """Returns (step, lo, hi) of a module's first output, per spatial axis of its first input.

    through_gates: see `receptive_fields`; other arguments and errors as for `as_trace`.
    """
    trace = as_trace(target, *input_sizes, dtypes=dtypes, axes=axes)
    unknown = (None,) * len(spatial_axes(trace))
    return receptive_fields(trace, through_gates=through_gates).get(trace.output.number, unknown)


@once_per_trace
def receptive_fields(trace: Trace, *, through_gates: bool = True) -> Mapping[int, Field]:
    """The same for every value that depends on the first input, by its number.

    through_gates=False leaves out what reaches a position only through a factor that is the same at every position
    and sees all, as in squeeze-excite (Hu et al. 2018), and through a norm's statistics of the whole map (group_norm,
    instance_norm): after the first of them "all" would tell nothing of the layers.
    """
    fields = states(trace, through_gates=through_gates)
    values = [trace.input, *(out for op in trace.ops for out in op.outputs if out.number in fields)]
    readable_fields: dict[tuple[int, Shape], Field] = {}  # by id of a field: many values share one
    fields_of: dict[int, Field] = {}
    for value in values:
        field = fields[value.number]
        key = id(field), value.shape
        if key not in readable_fields:
            readable_fields[key] = tuple([_readable(field, i, value.shape) for i in range(len(field))])
        fields_of[value.number] = readable_fields[key]
    return fields_of


@once_per_trace
def states(trace: Trace, *, through_gates: bool = True) -> Mapping[int, States]:
    """The same in full: where each axis runs in a value, and what every single position of it sees."""
    return followed(trace, spatial_axes(trace), through_gates)


def spatial_axes(trace: Trace) -> tuple[int, ...]:
    """Tensor axes of the first input that are spatial: as its user names them, or as the module reads them."""
    return input_layout(trace).layout.spatial


class InputLayout(Struct, frozen=True):
    """The meaning of each axis of the first input, and whether it is assumed: no op of the forward shows it."""

    layout: Layout
    assumed: str  # why, or empty
    names: tuple[str, ...]  # of the axes without the batch


@once_per_trace
def input_layout(trace: Trace) -> InputLayout:
    """Returns the layout that the user of the module has named, or the one that its first layers imply.

    Convolutions and pools take (batch, channels, *spatial), linear and recurrent layers have features last.
    """
    rank = len(trace.input.shape)
    spatial, assumed = (trace.layout.spatial, "") if trace.layout else _implied(trace)
    others = [place for place in range(1, rank) if place not in spatial]
    layout = trace.layout or Layout(spatial, others[0] if others else None)
    return InputLayout(layout, assumed, axis_names(rank, layout))


def map_axes(state: States, shape: Shape) -> list[int]:
    """Axes of a tensor that run along the input's spatial ones, where each has one for itself; else none."""
    places = [_place(axis, shape) for axis in state]
    return places if places and min(places) > 0 and len(shape) == len(places) + 2 else []


def channel_axis(trace: Trace, value: Value) -> int:
    """The axis of the channels in a map (N, K, *n) or (N, *n, K)."""
    places = map_axes(states(trace).get(value.number, ()), value.shape)
    return next((axis for axis in range(1, len(value.shape)) if axis not in places), 1) if places else 1


def _implied(trace: Trace) -> tuple[tuple[int, ...], str]:
    rank, last = len(trace.input.shape), len(trace.input.shape) - 1
    usual = tuple(range(2, rank))
    layers = _layers_of(trace, RECURRENT | FEATURES_LAST)
    first = next(layers, None) if rank > 1 else None
    if first is None:
        return usual, "no layer reads channels" if rank > 2 else ""
    number, op = first
    if op.entry.window and op.inputs[0].number == trace.input.number:
        return usual, ""
    if op.name not in FEATURES_LAST:
        return _read_by(trace, number, tuple(range(1, rank)))
    states = followed(trace, tuple(range(1, rank)), True, ops=number)[op.inputs[0].number]
    places = [_place(state, op.inputs[0].shape) for state in states]
    if rank == 2 or len(op.inputs[0].shape) == 2:
        return usual, ""
    if -1 in places[:-1] or len(op.inputs[0].shape) - 1 in places[:-1]:
        return usual, f"{op.name} reads a mix of axes"
    before = tuple(range(1, last))
    windowed = next((place for place, later in layers if later.entry.window), None)
    if windowed is not None and _read_by(trace, windowed, before) == (before, ""):
        return before, ""
    return before, f"{op.name} comes first, which takes features last"


def _layers_of(trace: Trace, names: frozenset[str]) -> Iterator[tuple[int, OpCall]]:
    """Convolutions, pools and ops of these names on what depends on the first input, with their place in the trace."""
    reached = {trace.input.number}
    for number, op in enumerate(trace.ops):
        if not reached.isdisjoint([value.number for value in op.inputs]):
            if (op.entry.window or op.name in names) and op.inputs[0].number in reached:
                yield number, op
            reached.update([value.number for value in op.outputs])


def _read_by(trace: Trace, number: int, axes: tuple[int, ...]) -> tuple[tuple[int, ...], str]:
    """Returns those axes that a convolution, pool or recurrent layer takes as spatial; or the usual, and why."""
    op, usual = trace.ops[number], tuple(range(2, len(trace.input.shape)))
    read = op.inputs[0]
    states = followed(trace, axes, True, ops=number).get(read.number, ())
    places = [_place(state, read.shape) for state in states]
    if op.name in RECURRENT:
        if read.number == trace.input.number and not op["batch_first"]:
            return (1,), f"{op.name} takes the first axis as time, which would be time,batch,channels"
        spatial = tuple([axis for axis, place in zip(axes, places, strict=True) if place != 2])
    else:
        spatial = tuple([axis for axis, place in zip(axes, places, strict=True) if place > 1])
    if len(places) == len(axes) and -1 not in places and len(axes) - len(spatial) <= 1:
        return spatial, ""
    first = states[-1] if states else None
    if isinstance(first, Axis) and first.sight and all(digit.place > 1 for digit in first.digits):
        return usual, ""
    return usual, f"{op.name} reads a mix of axes" if len(usual) else ""


def _place(state: State, shape: Shape) -> int:
    return state.whole(shape) if isinstance(state, Axis) else -1


def spatial_size(trace: Trace) -> Shape:
    """Lengths of the spatial axes of the first input."""
    return tuple([trace.input.shape[axis] for axis in spatial_axes(trace)])


def _readable(field: States, number: int, shape: Shape) -> AxisField:
    """Returns how the positions of a tensor see the input's spatial axis `number`."""
    axis = field[number]
    if not isinstance(axis, Axis):
        return ALL if axis == POOLED else axis
    if axis.whole(shape) > 0:  # as nearly always: a tensor axis of its own
        return hull(axis.sight) if axis.sight else None
    spread = [
        digit for digit in axis.digits if digit.place > 0 and digit.size > 1
    ]  # parts in the batch are maps
    own = _own_place(axis, spread, 2 + number if len(shape) == 2 + len(field) else -1, shape)
    if own is None and len(shape) == 2 and spread:
        return ALL  # a vector of features
    if own is None and spread and not _grid(field, spread, shape):
        return _copied(axis, shape)
    for digit in spread:
        if own is not None and digit.place != own:
            axis = joined_over(axis, digit)
    return hull(axis.sight) if axis.sight else None


def _own_place(axis: Axis, spread: list[Digit], expected: int, shape: Shape) -> int | None:
    """The one tensor axis that is a part of it and nothing else; what lies on others is then in the channels."""
    alone = [digit.place for digit in spread if axis.filling(digit.place, shape)]
    if expected in alone:
        return expected
    return alone[0] if len(alone) == 1 else None


def _grid(field: States, spread: list[Digit], shape: Shape) -> bool:
    """Returns whether it shares all its tensor axes with the input's other axes, as tokens do, in windows or not.

    Positions are then those of the grid, in whatever order they are written.
    """
    known = [digit for other in field if isinstance(other, Axis) and other.sight for digit in other.digits]
    for place in {digit.place for digit in spread}:
        there = [digit for digit in known if digit.place == place]
        if prod(digit.size for digit in there) != shape[place] or all(digit in spread for digit in there):
            return False
    return True


def _copied(axis: Axis, shape: Shape) -> AxisField:
    """Every position stands `inner` times beside itself, as in up-sampling by expand and reshape."""
    digit = axis.digits[0]
    if axis.sight is None or len(axis.digits) > 1 or digit.inner * digit.size != shape[digit.place]:
        return None
    sight = reading(axis.sight, 1, [[0]] * digit.inner)
    return hull(sight) if sight else None


__all__ = [
    "AxisField",
    "Field",
    "InputLayout",
    "channel_axis",
    "input_layout",
    "map_axes",
    "receptive_field",
    "receptive_fields",
    "spatial_axes",
    "spatial_size",
    "states",
]

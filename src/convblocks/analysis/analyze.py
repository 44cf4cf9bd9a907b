"""All that one traced forward pass tells of a module, as one record: `analyze`."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from msgspec import Struct
from torch import nn

from convblocks.analysis.cost import OpCost, free, op_costs, parameters_of_forward, unknown_ops
from convblocks.analysis.fields.axes import ALL
from convblocks.analysis.fields.receptive_field import (
    Field,
    input_layout,
    receptive_fields,
    spatial_axes,
    spatial_size,
)
from convblocks.analysis.fields.sight import Number
from convblocks.analysis.memory.saved import Ledger, saved_for_backward
from convblocks.analysis.trace import OpCall, Trace, Value, as_trace, once_per_trace
from convblocks.analysis.trace.graph import Shape
from convblocks.analysis.trace.walk import parameters
from convblocks.records import Analysis, Layer, Part
from convblocks.records.analysis import AxisField
from convblocks.text import readable


def analyze(
    target: nn.Module | Trace,
    *input_sizes: Sequence[int],
    dtypes: Sequence[torch.dtype] = (),
    axes: str | None = None,
) -> Analysis:
    """Returns cost, memory and receptive field of any module, layer by layer, from one forward without data.

    The module is neither changed nor run on data. Eval mode is traced, saved_bytes are those of training; what runs
    in training only, such as stochastic depth, is left out.

        >>> analyze(torchvision.models.resnet50(), (3, 224, 224)).macs
        4089184256

    Args:
        target: a module, or its trace, beside which nothing is said of the inputs.
        input_sizes: (channels, *spatial) of each input, without the batch axis.
        dtypes: of each input, float32 where not given.
        axes: names of the first input's axes where channels are not first, e.g. ``time,channels``; see `trace`.

    Raises:
        OptionError: for inputs beside a trace, and for a trace of several examples.
        TraceError: if the forward fails.
    """
    return _analysis(as_trace(target, *input_sizes, dtypes=dtypes, axes=axes))


@once_per_trace
def _analysis(trace: Trace) -> Analysis:
    fields = receptive_fields(trace)
    local = _local(trace, fields)
    kept = saved_for_backward(trace)
    costs = op_costs(trace)
    unknown = unknown_ops(trace)
    weights = [(p.numel(), p.element_size(), p.requires_grad) for p in parameters(trace.module).values()]
    weights += [(v.elements, v.dtype.itemsize, p.trainable) for v, p in parameters_of_forward(trace)]
    layers = tuple(_layers(trace, costs, kept, fields, local))
    blind: Field = (None,) * len(spatial_axes(trace))
    named = input_layout(trace)
    return Analysis(
        module=type(trace.module).__name__,
        input_size=trace.input_size,
        input_sizes=trace.input_sizes,
        axes=named.names,
        axes_assumed=named.assumed,
        dtypes=tuple([str(dtype).removeprefix("torch.") for dtype in trace.dtypes]),
        params=sum(count for count, _, _ in weights),
        trainable_params=sum(count for count, _, learns in weights if learns),
        param_bytes=sum(count * size for count, size, _ in weights),
        macs=sum(cost.macs for cost in costs),
        macs_weight_gradient=sum(cost.macs_weight_gradient for cost in costs),
        macs_input_gradient=sum(cost.macs_input_gradient for cost in costs),
        activations=sum(cost.activations for cost in costs),
        activation_bytes=sum(layer.activation_bytes for layer in layers),
        saved_bytes=kept.bytes,
        bytes_read=sum(cost.bytes_read for cost in costs),
        bytes_written=sum(cost.bytes_written for cost in costs),
        receptive_field=_recorded(fields.get(trace.output.number, blind)),
        ops=len(trace.ops),
        unknown_ops=tuple(sorted(set(unknown))),
        unsaved_ops=tuple(sorted({name for name, _ in kept.unknown})),
        unknown_share=len(unknown) / len(trace.ops) if trace.ops else 0.0,
        batch_first=_batch_first(trace.output.shape),
        layers=layers,
        parts=tuple(
            {call.path: Part(name=readable(call.path), type=call.type) for call in trace.calls}.values()
        ),
    )


def _batch_first(output: Shape) -> bool:
    """Returns whether one example may be one row of an output, or have an axis of its own farther back."""
    return not output or output[0] == 1 or (len(output) > 2 and 1 in output)


class Group(Struct, gc=False):
    """The ops of a layer, ops[start:stop]."""

    name: str
    type: str
    start: int
    stop: int


def _groups(trace: Trace, kept: Ledger) -> Iterator[Group]:
    """Calls of modules that call no other, and single ops outside them that move or keep bytes.

    What is computed from parameters and constants alone, such as a reshaped scale, is no layer.
    """
    i, ops, calls = 0, trace.ops, trace.calls
    reached = {value.number for value in trace.inputs}
    while i < len(ops):
        call, path, kind = calls[ops[i].call], ops[i].path, ops[i].name
        leaf = call.leaf and call.stop > i
        group = Group(call.path, call.type, i, call.stop) if leaf else Group(path, kind, i, i + 1)
        depends = False
        for op in ops[group.start : group.stop]:
            if not reached.isdisjoint([value.number for value in op.inputs]):
                depends = True
                reached.update([value.number for value in op.outputs])
        if depends and (leaf or kept.saved[i] or not free(ops[i])):
            yield group
        i = group.stop


def _layers(
    trace: Trace,
    costs: Sequence[OpCost],
    kept: Ledger,
    fields: Mapping[int, Field],
    local: Mapping[int, Field],
) -> Iterator[Layer]:
    size = spatial_size(trace)
    blind: Field = (None,) * len(size)
    read: set[int] = set()
    known: dict[int, tuple[AxisField, ...]] = {}  # by id of a field: many layers share one

    def recorded(field: Field) -> tuple[AxisField, ...]:
        if id(field) not in known:
            known[id(field)] = _recorded(field)
        return known[id(field)]

    done = 0
    for group in _groups(trace, kept):
        ops, mine = trace.ops[group.start : group.stop], slice(done, group.stop)
        spent, saved = costs[mine], kept.saved[mine]
        out = ops[-1].outputs[0]
        params = 0
        for op in trace.ops[mine]:  # those before it that are no layer count as its own
            for value in op.inputs:
                if value.number in trace.parameters and value.number not in read:
                    read.add(value.number)
                    params += value.elements
        done = group.stop
        cost = spent[0] if len(spent) == 1 else _sum(spent)
        field = fields.get(out.number, blind)
        yield Layer(
            name=readable(group.name),
            type=group.type,
            output_shape=out.shape,
            params=params,
            macs=cost.macs,
            macs_weight_gradient=cost.macs_weight_gradient,
            macs_input_gradient=cost.macs_input_gradient,
            activations=cost.activations,
            activation_bytes=cost.activations * out.dtype.itemsize,
            saved_bytes=sum([each.bytes for op in saved for each in op]),
            bytes_read=cost.bytes_read,
            bytes_written=cost.bytes_written,
            receptive_field=recorded(field),
            local_field=recorded(local.get(out.number, blind)),
            productive=_productive(ops, out, local, size),
        )


def _sum(costs: Sequence[OpCost]) -> OpCost:
    return OpCost(*[sum([getattr(cost, name) for cost in costs]) for name in OpCost.__struct_fields__])


def _local(trace: Trace, fields: Mapping[int, Field]) -> Mapping[int, Field]:
    """Fields without what gates show of the whole image; the same where no map is left once all is covered."""
    for op in trace.ops:
        out = op.outputs[0]
        if ALL in fields.get(out.number, ()) and _is_map(out.shape):
            return receptive_fields(trace, through_gates=False)
    return fields


def _is_map(shape: Shape) -> bool:
    """Returns whether more than the channels are longer than 1, wherever these stand; a signal may have one channel."""
    if len(shape) < 4:
        return max(shape[2:], default=1) > 1
    return sum([n > 1 for n in shape[1:]]) > 1 or shape[1] == 1 < shape[2]


def _productive(
    ops: Sequence[OpCall], out: Value, local: Mapping[int, Field], size: Sequence[int]
) -> bool | None:
    """Returns whether some input of the layer does not yet see the whole image along some axis."""
    if not any(isinstance(axis, tuple) for axis in local.get(out.number, ())):
        return None  # no map is left
    for op in ops:  # the first may work on weights alone, as a standardised one does
        if entering := [local[value.number] for value in op.inputs if value.number in local]:
            break
    else:
        return None
    axes = [each for field in entering for each in zip(field, size, strict=True)]
    if any(axis is None for axis, _ in axes):
        return None
    return any(isinstance(axis, tuple) and axis[2] - axis[1] + 1 < n for axis, n in axes)


def _recorded(field: Field) -> tuple[AxisField, ...]:
    return tuple([(_plain(a[0]), _plain(a[1]), _plain(a[2])) if isinstance(a, tuple) else a for a in field])


def _plain(number: Number) -> int | float:
    """Fractions, which only up-sampling brings, as JSON can hold them."""
    return number if isinstance(number, int) else float(number)

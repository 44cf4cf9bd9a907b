"""From a trace to what is drawn of it: layers as boxes, and the paths between them, whatever the module is.

A box is an op that computes; what only follows one box, such as its norm and activation, stands within it. The main
path is the one with the most MACs. A box's row is the longest way to it from the input; branches get lanes beside.
Of a long module, pieces that follow each other unchanged are drawn once, with how often they come.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from convblocks.analysis.cost import op_costs
from convblocks.analysis.fields.receptive_field import Field, channel_axis, input_layout, receptive_fields
from convblocks.analysis.trace import OpCall, Trace, as_trace
from convblocks.analysis.trace.graph import Value
from convblocks.drawing.op_labels import named, named_outputs, text
from convblocks.drawing.place import Node, place
from convblocks.drawing.repeats import repeats
from convblocks.records.outline import Box, Outline, Repeat
from convblocks.text import times

FITS = 20  # boxes that are drawn each by itself: a screen of text


def outline(
    target: nn.Module | Trace,
    *input_sizes: Sequence[int],
    dtypes: Sequence[torch.dtype] = (),
    axes: str | None = None,
    fits: float = FITS,
) -> Outline:
    """Returns what is drawn of a module: its boxes, and the lines between them.

    Args:
        target: a module, or its trace, beside which nothing is said of the inputs.
        input_sizes: (channels, *spatial) of each input, without the batch axis.
        dtypes: of each input, float32 where not given.
        axes: names of the first input's axes where channels are not first, e.g. ``time,channels``; see `trace`.
        fits: of so many boxes each is drawn; where there are more, repeated pieces are drawn once, with the receptive
            field behind the last of them.

    Raises:
        OptionError: for inputs beside a trace.
        TraceError: if the forward fails.
    """
    trace = as_trace(target, *input_sizes, dtypes=dtypes, axes=axes)
    named_axes = input_layout(trace)
    fields = receptive_fields(trace, through_gates=False)
    nodes = _nodes(trace)
    nodes, groups = _collapsed(nodes) if len(nodes) > fits else (nodes, [])
    lines = place(nodes)
    boxes = [
        Box(
            text=node.text,
            detail=", ".join(node.detail),
            sees=_sees(fields.get(node.value, ())) if node.before else "",
            joins=len(node.before) > 1,
            row=node.row,
            lane=node.lane,
        )
        for node in nodes
    ]
    return Outline(
        module=type(trace.module).__name__,
        boxes=tuple(boxes),
        lines=tuple(lines),
        axes=named_axes.names,
        axes_assumed=named_axes.assumed,
        repeats=tuple(groups),
    )


def _nodes(trace: Trace) -> list[Node]:
    """Returns all boxes in order of execution, the inputs first and the output last."""
    readers = Counter(number for op in trace.ops for number in {value.number for value in op.inputs})
    layout = input_layout(trace).layout
    texts = [named("input", trace.input.shape, layout.channels, layout.batch)]
    texts += [named("input", value.shape) for value in trace.inputs[1:]]
    nodes = [
        Node(text, [], [("input", v.number)], value=v.number)
        for text, v in zip(texts, trace.inputs, strict=True)
    ]
    home = {node.value: i for i, node in enumerate(nodes)}
    way: dict[int, Hashable] = dict.fromkeys(home, 0)  # of a value, what was done since it left its box
    for op, cost in zip(trace.ops, op_costs(trace), strict=True):
        maps = [value for value in op.inputs if value.number in home]
        if not maps:
            continue
        sources = list(dict.fromkeys(home[value.number] for value in maps))
        place_of, last = sources[0], nodes[sources[0]]
        alone = len(sources) == 1 and readers[maps[0].number] == 1 and maps[0].number == last.value
        does = (_signature(op), *((sources.index(home[v.number]), way[v.number]) for v in maps))
        quiet = len(sources) == 1 and (op.entry.random or not op.entry.drawn)
        if quiet:
            last.value = op.outputs[0].number if alone else last.value
        elif alone and last.before and _follows(op, last):
            last.detail.append(text(op, joins=False))
            last.key.append(does)
            last.value = op.outputs[0].number
        else:
            place_of = len(nodes)
            label = text(op, joins=len({v.number for v in maps}) > 1)
            nodes.append(Node(label, sources, [does], cost.macs, value=op.outputs[0].number))
        for number, out in enumerate(op.outputs):
            home[out.number] = place_of
            idle = quiet and op.entry.idle
            way[out.number] = way[maps[0].number] if idle else (does, number) if quiet else number
    ends = [home[value.number] for value in trace.outputs if value.number in home]
    output = named_outputs([(value.shape, channel_axis(trace, value)) for value in trace.outputs])
    return [*nodes, Node(output, list(dict.fromkeys(ends)), ["output"])]


def _follows(op: OpCall, last: Node) -> bool:
    """Returns whether an op stands within the box before it. A norm behind a place where paths meet does not."""
    return len(last.before) == 1 if op.entry.norm else op.entry.pointwise


def _signature(op: OpCall) -> Hashable:
    """Returns all that says what an op does but the values of its tensors: equal for layers of one kind and shape."""
    given = tuple(sorted((name, _plain(value)) for name, value in op.kwargs.items()))
    return op.name, _plain(op.args), given, tuple(out.shape for out in op.outputs)


def _plain(argument: Any) -> Hashable:
    if isinstance(argument, Value):
        return f"{argument.shape} {argument.dtype}"
    if isinstance(argument, list | tuple):
        return str([_plain(part) for part in argument])
    return repr(argument)


def _collapsed(nodes: list[Node]) -> tuple[list[Node], list[Repeat]]:
    """Keeps the first of each group of pieces, with all their MACs, and the receptive fields behind the last."""
    groups = {g.start: g for g in repeats([tuple(n.key) for n in nodes], [n.before for n in nodes])}
    kept: list[Node] = []
    drawn: list[Repeat] = []
    home: dict[int, int] = {}  # from a node to the one that is drawn of it
    at = 0
    while at < len(nodes):
        size, times = groups[at][1:] if at in groups else (1, 1)
        first, last = len(kept), at + size * (times - 1)
        home |= {at + i: first + i % size for i in range(size * times)}
        kept += [
            replace(
                node,
                before=[home[source] for source in node.before],
                macs=times * node.macs,
                value=nodes[last + i].value,
            )
            for i, node in enumerate(nodes[at : at + size])
        ]
        if times > 1:
            drawn.append(Repeat(first, first + size - 1, times))
        at += size * times
    return kept, drawn


def _sees(field: Field) -> str:
    if not field or None in field:
        return ""
    axes = ["all" if axis == "all" or axis is None else f"{float(axis[2] - axis[1] + 1):g}" for axis in field]
    return "all" if set(axes) == {"all"} else times(axes)

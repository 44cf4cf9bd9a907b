"""From a trace to what is drawn of it: layers as boxes, and the paths between them, whatever the module is.

A box is an op that computes; what only follows one box, such as its norm and activation, stands within it. The main
path is the one with the most MACs. A box's row is the longest way to it from the input; branches get lanes beside.
"""

from dataclasses import dataclass, field

from torch import nn

from convblocks.analysis.cost import op_costs
from convblocks.analysis.fields.receptive_field import Field, receptive_fields
from convblocks.analysis.memory.saved import saved_for_backward
from convblocks.analysis.names import CONVOLUTIONS, LINEAR, POINTWISE, RANDOM, TRANSPOSED
from convblocks.analysis.names import SHAPES as MOVES
from convblocks.analysis.rules import argument, at, weight_of
from convblocks.analysis.trace import Op, trace
from convblocks.analysis.trace.shapes import Shape
from convblocks.records.outline import Box, Line, Outline

PRODUCTS = {**CONVOLUTIONS, **TRANSPOSED}
CUTS = {"chunk", "split", "unbind", "tensor_split", "narrow", "__getitem__"}
CONCATENATIONS = {"cat", "concat", "concatenate", "stack"}
NORMS = {"batch_norm", "group_norm", "layer_norm", "instance_norm", "rms_norm"}
QUIET = (MOVES - CUTS - CONCATENATIONS - {"interpolate", "pixel_shuffle", "pixel_unshuffle"}) | RANDOM
QUIET |= {"contiguous", "to", "float", "clone", "detach"}
SIGNS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "truediv": "÷"}


@dataclass
class _Node:
    text: str
    before: list[int]
    macs: int = 0
    joins: bool = False
    detail: list[str] = field(default_factory=list)
    value: int = -1  # the number of what it puts out
    row: int = 0
    lane: int = -1


def outline(module: nn.Module, *input_sizes: Shape) -> Outline:
    """What is drawn of a module at these input sizes (channels, *spatial). Raises TraceError as `trace` does."""
    seen = trace(module, *input_sizes)
    fields = receptive_fields(seen, through_gates=False)
    costs = op_costs(seen, saved_for_backward(seen).needs)
    readers: dict[int, int] = {}
    for op in seen.ops:
        for number in {value.number for value in op.inputs}:
            readers[number] = readers.get(number, 0) + 1
    nodes = [_Node(_named("input", v.shape), [], value=v.number) for v in seen.inputs]
    home = {node.value: i for i, node in enumerate(nodes)}
    for op, cost in zip(seen.ops, costs, strict=True):
        found = [value for value in op.inputs if value.number in home]
        if not found:
            continue
        sources = list(dict.fromkeys(home[value.number] for value in found))
        last = nodes[sources[0]]
        alone = len(sources) == 1 and readers[found[0].number] == 1 and found[0].number == last.value
        if len(sources) == 1 and op.name in QUIET:
            at_home = sources[0]
            last.value = op.outputs[0].number if alone else last.value
        elif alone and _follows(op) and last.before:
            at_home = sources[0]
            last.detail.append(_word(op))
            last.value = op.outputs[0].number
        else:
            at_home = len(nodes)
            nodes.append(_Node(_text(op), sources, cost.macs, len(sources) > 1, value=op.outputs[0].number))
        for out in op.outputs:
            home[out.number] = at_home
    ends = [home[value.number] for value in seen.outputs if value.number in home]
    nodes.append(_Node(_named("output", seen.output.shape), list(dict.fromkeys(ends))))
    return _placed(type(module).__name__, nodes, fields)


def _follows(op: Op) -> bool:
    return op.name in NORMS or op.name in POINTWISE


def _named(what: str, shape: Shape) -> str:
    return f"{what}, {shape[1]} channels" + (f", {_times(shape[2:])}" if len(shape) > 2 else "")


def _word(op: Op) -> str:
    name = op.name.strip("_")
    sign = SIGNS.get(name.removeprefix("r").removeprefix("i") if name not in SIGNS else name)
    if sign:
        return f"{sign} learnt or fixed factor" if sign in "×÷" else f"{sign} constant"
    return name.replace("_", " ")


def _text(op: Op) -> str:
    name = op.name.strip("_")
    if op.name in LINEAR:
        return f"linear, {weight_of(op).shape[1]} → {weight_of(op).shape[0]}"
    if op.name in CONCATENATIONS:
        return f"concat, {op.outputs[0].shape[1]} channels" if len(op.outputs[0].shape) > 1 else "concat"
    if op.name not in PRODUCTS:
        joined = len({value.number for value in op.inputs}) > 1
        return (
            SIGNS.get(name, SIGNS.get(name[1:], name.replace("_", " "))) if joined else name.replace("_", " ")
        )
    kernel, dims, transposed = weight_of(op).shape, PRODUCTS[op.name], op.name in TRANSPOSED
    told = [
        f"{_times(kernel[2:])} {'transposed ' if transposed else ''}conv",
        f"{op.inputs[0].shape[-dims - 1]} → {op.outputs[0].shape[-dims - 1]}",
    ]
    for place, option in ((3, "stride"), (7 if transposed else 5, "dilation")):
        axes = [at(argument(op, place, option, 1), axis) for axis in range(dims)]
        if max(axes) > 1:
            told.append(f"{option} {axes[0] if len(set(axes)) == 1 else _times(axes)}")
    groups = argument(op, 6, "groups", 1)
    return ", ".join([*told, *([f"groups {groups}"] if groups > 1 else [])])


def _times(axes: Shape | list[int]) -> str:
    return "×".join(map(str, axes))


def _placed(module: str, nodes: list[_Node], fields: dict[int, Field]) -> Outline:
    """Rows by the longest way, the main path by MACs, and a lane of its own for each branch where it is needed."""
    best: list[
        tuple[int, int, int]
    ] = []  # MACs and rows of the main path up to a node, and where it comes from
    for node in nodes:
        node.row = max((nodes[i].row + 1 for i in node.before), default=0)
        macs, rows, source = max(((*best[i][:2], i) for i in node.before), default=(0, 0, -1))
        best.append((macs + node.macs, rows + 1, source))
    at_node = len(nodes) - 1
    while at_node >= 0:
        nodes[at_node].lane = 0
        at_node = best[at_node][2]
    taken: list[
        tuple[int, int, int, int]
    ] = []  # lane, rows from and to, and the box that the line starts from

    def free(first: int, end: int, source: int) -> int:
        return next(
            lane
            for lane in range(1, len(nodes) + 1)
            if all(lane != k or s == source or end <= a or first >= b for k, a, b, s in taken)
        )

    for i, node in enumerate(nodes):
        if node.lane < 0:
            ends = [n.row for n in nodes if i in n.before]
            beside = [nodes[j].lane for j in node.before if nodes[j].lane > 0 and _only(nodes, j, i)]
            first, end = min((nodes[j].row for j in node.before), default=0), max(ends, default=node.row)
            node.lane = beside[0] if beside else free(first, end, -1)
            taken.append((node.lane, first, end, -1))
    lines = []
    for i, node in enumerate(nodes):
        for j in node.before:
            lane = max(node.lane, nodes[j].lane)
            if (lane == 0 and best[i][2] != j) or (
                lane and node.lane and nodes[j].lane not in (0, node.lane)
            ):
                lane = free(nodes[j].row, node.row, j)
                taken.append((lane, nodes[j].row, node.row, j))
            lines.append(Line(j, i, lane))
    boxes = [
        Box(
            text=n.text,
            detail=", ".join(n.detail),
            sees=_sees(fields.get(n.value, ())) if n.before else "",
            joins=n.joins,
            row=n.row,
            lane=n.lane,
        )
        for n in nodes
    ]
    return Outline(module=module, boxes=tuple(boxes), lines=tuple(lines))


def _only(nodes: list[_Node], source: int, target: int) -> bool:
    return [i for i, node in enumerate(nodes) if source in node.before] == [target]


def _sees(seen: Field) -> str:
    if not seen or None in seen:
        return ""
    axes = ["all" if axis == "all" or axis is None else f"{float(axis[2] - axis[1] + 1):g}" for axis in seen]
    return "all" if set(axes) == {"all"} else "×".join(axes)

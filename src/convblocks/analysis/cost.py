"""Parameters, MACs, activations and memory traffic, read off a trace."""

from collections.abc import Collection, Sequence, Set
from math import prod

from msgspec import Struct
from torch import nn

from convblocks.analysis.learning import gets_gradient, learns
from convblocks.analysis.rules import CONVOLUTIONS, GRADIENT_MACS, KNOWN, LINEAR, MACS, TRANSPOSED
from convblocks.analysis.trace import Op, Parameter, Trace, Value, trace
from convblocks.analysis.trace.shapes import Shape
from convblocks.analysis.trace.walk import parameters

LAYERS = CONVOLUTIONS.keys() | TRANSPOSED.keys() | LINEAR


class Cost(Struct, frozen=True):
    """Of one example, forward. MACs are not time: compare measured latency too."""

    params: int
    macs: int
    activations: (
        int  # elements put out by convolution and linear layers (Radosavovic et al. 2020, arXiv:2003.13678)
    )
    unknown_ops: frozenset[str] = frozenset()  # if any, macs and activations are lower bounds

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.params + other.params,
            self.macs + other.macs,
            self.activations + other.activations,
            self.unknown_ops | other.unknown_ops,
        )

    def __mul__(self, times: int) -> "Cost":
        return Cost(self.params * times, self.macs * times, self.activations * times, self.unknown_ops)


class OpCost(Struct, gc=False):
    """Of one op."""

    macs: int = 0
    macs_weight_gradient: int = 0
    macs_input_gradient: int = 0
    activations: int = 0
    bytes_read: int = 0
    bytes_written: int = 0


def macs(op: Op) -> int:
    """Multiply-accumulates of an op; 0 for one without a rule, which `count` reports by name."""
    rule = MACS.get(op.name)
    return rule(op) if rule else 0


def activations(op: Op) -> int:
    """Elements that a convolution or linear layer puts out; 0 for any other op."""
    return prod(op.outputs[0].shape) if op.name in LAYERS else 0


def count(module: nn.Module, input_size: Shape, seen: Trace | None = None) -> Cost:
    """Cost of a module for one input of `input_size` (channels, *spatial)."""
    seen = seen or trace(module, input_size)
    return Cost(
        params=sum(p.numel() for p in module.parameters())
        + sum(value.elements for value, _ in parameters_of_forward(parameters(module), seen)),
        macs=sum(map(macs, seen.ops)),
        activations=sum(map(activations, seen.ops)),
        unknown_ops=frozenset(unknown_ops(seen)),
    )


def unknown_ops(seen: Trace) -> list[str]:
    """Names of the ops that no rule counts; not those on weights alone, as a mask of them."""
    reached = {value.number for value in seen.inputs}
    names = []
    for op in seen.ops:
        if not reached.isdisjoint([value.number for value in op.inputs]):
            reached.update([value.number for value in op.outputs])
            if op.name not in KNOWN:
                names.append(op.name)
    return names


def parameters_of_forward(own: Collection[str], seen: Trace) -> list[tuple[Value, Parameter]]:
    """Parameters not among those of its `own`, since its first forward makes them, as a head of the right width."""
    if all(p.name in own for p in seen.parameters.values()):
        return []
    values = {
        value.number: value for op in seen.ops for value in op.inputs if value.number in seen.parameters
    }
    return [(values[n], p) for n, p in seen.parameters.items() if p.name not in own and n in values]


def op_costs(seen: Trace, needs: Set[int]) -> list[OpCost]:
    """Of each op, in order; `needs` has the numbers of the values that need a gradient (learning.py).

    Backward, a product of a weight and a map costs once more for the weight's gradient and once for the
    map's, where either needs one; a grouped convolution no more than another.
    """
    reached = gets_gradient(seen, needs)
    from_input = {value.number for value in seen.inputs}
    costs = []
    for op in seen.ops:
        cost = OpCost(activations=activations(op))
        sees = not from_input.isdisjoint([value.number for value in op.inputs])
        if op.name in MACS:
            cost.macs = macs(op)
            if learns(op, reached):
                _add_gradients(cost, op, [v for v in _factors(op) if v.number in reached], from_input)
        if not free(op):
            cost.bytes_read = _bytes(op.inputs)
            cost.bytes_written = _bytes(op.outputs)
        if sees:
            from_input.update([value.number for value in op.outputs])
        costs.append(cost)
    return costs


def _factors(op: Op) -> Sequence[Value]:
    """What is multiplied: without biases, behind in layers and in front in addmm."""
    if op.name in LAYERS:
        return op.inputs[:2]
    return op.inputs[-2:] if op.name in ("addmm", "baddbmm") else op.inputs


def _add_gradients(cost: OpCost, op: Op, learning: Sequence[Value], from_input: Set[int]) -> None:
    maps = [value for value in learning if value.number in from_input]
    weights = [value for value in learning if value.number not in from_input]
    if rule := GRADIENT_MACS.get(op.name):
        cost.macs_weight_gradient, cost.macs_input_gradient = rule(op, maps, weights)
        return
    cost.macs_weight_gradient = cost.macs if weights else 0
    cost.macs_input_gradient = cost.macs * len(maps)


def free(op: Op) -> bool:
    """Whether it moves no bytes: a view of its input, or dropout, which does nothing outside training."""
    if op.name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout"):
        return True
    if op.in_place or not op.outputs:
        return False
    home = op.outputs[0].storage
    return home in [value.storage for value in op.inputs]


def _bytes(values: Sequence[Value]) -> int:
    """Each is read or written once."""
    if len(values) == 1:
        return values[0].bytes
    return sum({value.number: value.bytes for value in values}.values())

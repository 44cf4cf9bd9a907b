"""Parameters, MACs, activations and memory traffic, read off a trace."""

from collections.abc import Sequence, Set
from math import prod

import torch
from msgspec import Struct
from torch import nn

from convblocks.analysis.learning import gets_gradient, learns
from convblocks.analysis.ops.op import UNKNOWN
from convblocks.analysis.trace import OpCall, Parameter, Trace, Value, as_trace, once_per_trace
from convblocks.analysis.trace.walk import parameters


class Cost(Struct, frozen=True):
    """The cost of one example, forward. MACs are not time: compare measured latency too."""

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
    """The cost of one op."""

    macs: int = 0
    macs_weight_gradient: int = 0
    macs_input_gradient: int = 0
    activations: int = 0
    bytes_read: int = 0
    bytes_written: int = 0


def macs(op: OpCall) -> int:
    """Multiply-accumulates of an op; 0 for one without a rule, which `count` reports by name."""
    rule = op.entry.macs
    return rule(op) if callable(rule) else 0


def activations(op: OpCall) -> int:
    """Elements that a convolution or linear layer puts out; 0 for any other op."""
    return prod(op.outputs[0].shape) if op.entry.layer else 0


def count(
    target: nn.Module | Trace,
    *input_sizes: Sequence[int],
    dtypes: Sequence[torch.dtype] = (),
    axes: str | None = None,
) -> Cost:
    """Returns the cost of a module, or of its trace, for one example; arguments and errors as for `as_trace`."""
    trace = as_trace(target, *input_sizes, dtypes=dtypes, axes=axes)
    return Cost(
        params=sum(p.numel() for p in trace.module.parameters())
        + sum(value.elements for value, _ in parameters_of_forward(trace)),
        macs=sum(map(macs, trace.ops)),
        activations=sum(map(activations, trace.ops)),
        unknown_ops=frozenset(unknown_ops(trace)),
    )


@once_per_trace
def unknown_ops(trace: Trace) -> tuple[str, ...]:
    """Names of the ops that no rule counts; not those on weights alone, as a mask of them."""
    reached = {value.number for value in trace.inputs}
    names = []
    for op in trace.ops:
        if not reached.isdisjoint([value.number for value in op.inputs]):
            reached.update([value.number for value in op.outputs])
            if op.entry.macs == UNKNOWN:
                names.append(op.name)
    return tuple(names)


def parameters_of_forward(trace: Trace) -> list[tuple[Value, Parameter]]:
    """Returns the parameters that a module has not of its own: its first forward makes them, as a head that fits."""
    own = parameters(trace.module)
    if all(p.name in own for p in trace.parameters.values()):
        return []
    values = {
        value.number: value for op in trace.ops for value in op.inputs if value.number in trace.parameters
    }
    return [(values[n], p) for n, p in trace.parameters.items() if p.name not in own and n in values]


@once_per_trace
def op_costs(trace: Trace) -> Sequence[OpCost]:
    """Returns the cost of each op, in order.

    Backward, a product of a weight and a map costs once more for the weight's gradient and once for the
    map's, where either needs one; a grouped convolution no more than another.
    """
    reached = gets_gradient(trace)
    from_input = {value.number for value in trace.inputs}
    costs = []
    for op in trace.ops:
        cost = OpCost(activations=activations(op))
        sees = not from_input.isdisjoint([value.number for value in op.inputs])
        if callable(op.entry.macs):
            cost.macs = macs(op)
            factors = op.inputs[op.entry.factors] if op.entry.factors else op.inputs
            if learns(op, reached):
                _add_gradients(cost, op, [v for v in factors if v.number in reached], from_input)
        if not free(op):
            cost.bytes_read = _bytes(op.inputs)
            cost.bytes_written = _bytes(op.outputs)
        if sees:
            from_input.update([value.number for value in op.outputs])
        costs.append(cost)
    return costs


def _add_gradients(cost: OpCost, op: OpCall, learning: Sequence[Value], from_input: Set[int]) -> None:
    maps = [value for value in learning if value.number in from_input]
    weights = [value for value in learning if value.number not in from_input]
    if rule := op.entry.gradient_macs:
        cost.macs_weight_gradient, cost.macs_input_gradient = rule(op, maps, weights)
        return
    cost.macs_weight_gradient = cost.macs if weights else 0
    cost.macs_input_gradient = cost.macs * len(maps)


def free(op: OpCall) -> bool:
    """Returns whether it moves no bytes: a view of its input, or dropout, which does nothing outside training."""
    if op.entry.idle:
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

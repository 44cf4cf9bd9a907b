"""Rules that ops of several kinds share: how an output sees an axis, what autograd keeps, and what a drawing says.

What autograd keeps is as PyTorch's derivatives.yaml has it. A rule gives the tensors of the trace that are kept and,
as a number, the bytes of those that only autograd sees, such as the mask of a dropout or the statistics of a norm. The
trace is of eval mode; the rules are of training.
"""

from collections.abc import Callable, Iterable, Set
from math import prod
from typing import Any

from convblocks.analysis.fields.axes import ALL, Axis, State, mixed, stretched, union
from convblocks.analysis.ops.op import FieldRule, LabelRule, SavedRule
from convblocks.analysis.trace.graph import OpCall, Value
from convblocks.text import times

Kept = Value | int
Incoming = list[tuple[int, Value, State]]
AxisRule = Callable[[OpCall, Axis, Value, Value], State]
"""(call, how an input sees the axis, that input, the output) → how the output sees it through that input."""


def each_input(rule: AxisRule) -> FieldRule:
    """Returns the rule of an op whose output sees what it sees through each of its inputs."""

    def joined(call: OpCall, incoming: Incoming, out: Value) -> State:
        result, first = None, True
        for _, value, state in incoming:
            state = rule(call, state, value, out) if isinstance(state, Axis) else state
            result, first = (state if first else union(result, state)), False
        return result

    return joined


def at_same_position(_call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Returns the same position; a tensor with fewer axes is aligned with the last ones."""
    return axis if value.shape == out.shape else stretched(axis, value.shape, out.shape)


def mixed_over(axis: Axis, dims: Iterable[int], value: Value, *, stays: bool) -> State:
    """Returns the axis after the positions along `dims` are mixed, where these stay or vanish."""
    state: State = axis
    for place in {dim % len(value.shape) for dim in dims}:
        state = mixed(state, place, stays=stays) if isinstance(state, Axis) else state
    return state


def as_list(given: Any, everything: Iterable[int]) -> list[int]:
    """Returns a list of axes given as one, many or none, which is all."""
    if given is None:
        return list(everything)
    return [given] if isinstance(given, int) else list(given)


same_position: FieldRule = each_input(at_same_position)
whole_map: FieldRule = each_input(lambda call, axis, value, out: ALL)
unmoved: FieldRule = each_input(lambda call, axis, value, out: axis)


def keeps_nothing(_call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps nothing: the derivative depends on no value."""
    return ()


def keeps_result(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps the output."""
    return (call.outputs[0],)


def keeps_input(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps the first input; where the op writes over it, a copy."""
    return (before(call, call.inputs[0]),)


def keeps_input_and_result(call: OpCall, needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps the first input and the output."""
    return (*keeps_input(call, needs), call.outputs[0])


def keeps_inputs(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps all inputs."""
    return call.inputs


def keeps_indices(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps the inputs that are no floating point numbers: indices, masks."""
    return tuple([v for v in call.inputs if not v.dtype.is_floating_point])


def before(call: OpCall, value: Value) -> Kept:
    """Returns an input as it was before the call; in place that takes a copy."""
    return value.bytes if value.storage == call.outputs[0].storage else value


def keeps_other_factor(*pair: int) -> SavedRule:
    """Returns the rule of a product: its derivative by one factor is the other.

    Args:
        pair: First and last place of the two factors among the arguments, all of them by default.
    """

    def rule(call: OpCall, needs: Set[int]) -> tuple[Kept, ...]:
        tensors = [a for a in (call.args[slice(*pair)] if pair else call.args) if isinstance(a, Value)]
        tensors += [a for a in call.kwargs.values() if isinstance(a, Value)]
        if len(tensors) < 2:
            return ()  # times a number
        a, b = tensors[:2]
        kept = [b] if a.number in needs else []
        return (*kept, before(call, a)) if b.number in needs else tuple(kept)

    return rule


def flat(x: Value) -> Kept:
    """Returns a map as a matrix of its last axis; a copy where its other axes do not lie one behind the other."""
    return x if x.folds(len(x.shape) - 1) else x.bytes


def batched(x: Value, other: Value) -> Kept:
    """Returns a factor as (batch, rows, columns), for which it may have to be copied or stretched."""
    if len(x.shape) < 3:
        return x
    if len(other.shape) < 3:
        return flat(x)
    if prod(x.shape[:-2]) < prod(other.shape[:-2]):
        return x.bytes * prod(other.shape[:-2]) // prod(x.shape[:-2])
    return x if x.folds(len(x.shape) - 2) else x.bytes


def written(text: str) -> LabelRule:
    """Returns the rule of an op that papers write in their own way, such as ReLU."""
    return lambda call: text


def option(name: str, sizes: list[int]) -> str:
    """Returns an option of a convolution or pool as text, empty where it is 1 along every axis."""
    if max(sizes) == 1:
        return ""
    return f", {name} {sizes[0] if len(set(sizes)) == 1 else times(sizes)}"


def as_given(x: Any, *_args: Any, **_kwargs: Any) -> tuple[int, ...]:
    """Formula of an op whose output has the shape of its first input."""
    return tuple(x.shape)

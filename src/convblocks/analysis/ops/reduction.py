"""Reductions, which mix along the axes given by `dim`, and ops that mix along an axis that stays."""

from collections.abc import Set
from typing import Any

import torch

from convblocks.analysis.fields.axes import Axis, State, placed
from convblocks.analysis.fields.windows import read
from convblocks.analysis.ops.op import UNKNOWN, Op, SavedRule, Unknown, add, plain_name
from convblocks.analysis.ops.shared_rules import (
    Kept,
    as_list,
    at_same_position,
    each_input,
    keeps_input,
    keeps_input_and_result,
    keeps_nothing,
    keeps_result,
    mixed_over,
)
from convblocks.analysis.trace.graph import OpCall, Shape, Value
from convblocks.analysis.trace.values import nested_numbers, number


def _mean_shape(x: torch.Tensor, dim: Any = None, keepdim: bool = False) -> Shape | None:
    places = (dim,) if isinstance(dim, int) else dim
    if not places or not x.is_floating_point() or not all(-x.ndim <= place < x.ndim for place in places):
        return None
    gone = {place % x.ndim for place in places}
    if len(gone) < len(places):
        return None
    return tuple(1 if i in gone else n for i, n in enumerate(x.shape) if keepdim or i not in gone)


def _reduced(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Mixes over the axes that vanish or, with keepdim, become one; of two tensors, takes the same position."""
    if len(call.inputs) > 1:  # torch.max(a, b)
        return at_same_position(call, axis, value, out)
    rank = len(value.shape)
    dim = call["dim"] if call["dim"] is not None else call.kwargs.get("axis")
    gone = {place % rank for place in as_list(dim, range(rank))}
    state = mixed_over(axis, gone, value, stays=False)
    if not isinstance(state, Axis) or len(out.shape) == rank:
        return state
    return placed(state, [place - sum(p < place for p in gone) for place in range(rank)])


def _mixed(call: OpCall, axis: Axis, value: Value, _out: Value) -> State:
    return mixed_over(axis, as_list(call["dim"], ()), value, stays=True)


def _gated_half(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Multiplies one half of an axis by the other."""
    place = call["dim"] % len(value.shape)
    taps = range(0, value.shape[place], value.shape[place] // 2)
    return read(axis, value.shape, out.shape, place, 1, [taps]) if axis.runs_along(place) else axis


def _chosen(call: OpCall, needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps the places along an axis; of a whole tensor, the tensor and the result; of two tensors, both."""
    if len(call.inputs) > 1:
        return call.inputs
    return (call.outputs[1],) if len(call.outputs) > 1 else keeps_input_and_result(call, needs)


def _reduction(
    *names: str,
    saved: SavedRule | Unknown,
    arguments: str = "input, dim=None, keepdim=False",
    field: Any = _reduced,
    **facts: Any,
) -> None:
    given: dict[str, Any] = {"shape": None, "macs": None, **facts}
    add(Op(
        names=names,
        arguments=arguments,
        field=each_input(field) if callable(field) else field,
        saved=saved,
        workspace=None,
        label=plain_name,
        **given,
    ))  # fmt: skip


_reduction("mean", saved=keeps_nothing, shape={torch.Tensor.mean: _mean_shape, torch.mean: _mean_shape})
_reduction("sum", saved=keeps_nothing)
_reduction("amax", "amin", "logsumexp", "prod", "std", saved=keeps_input_and_result)
_reduction("var", "var_mean", saved=keeps_input)
_reduction("max", "min", saved=_chosen)
_reduction("norm", saved=keeps_input_and_result, arguments="input, p='fro', dim=None, keepdim=False")
_reduction("linalg_vector_norm", saved=keeps_input_and_result, arguments="x, ord=2, dim=None, keepdim=False")
_reduction("all", "any", "argmax", "argmin", saved=keeps_nothing)
_reduction("nanmean", "median", saved=UNKNOWN)
_reduction("item", saved=keeps_nothing, stops_gradient=True, reply=number)
_reduction("tolist", saved=keeps_nothing, stops_gradient=True, reply=nested_numbers)

_reduction("softmax", "log_softmax", "softmin", saved=keeps_result, arguments="input, dim=-1", field=_mixed)
_reduction("cumsum", saved=keeps_nothing, arguments="input, dim=-1", field=_mixed)
_reduction("sort", saved=_chosen, arguments="input, dim=-1, descending=False", field=_mixed)
_reduction("topk", saved=_chosen, arguments="input, k, dim=-1", field=_mixed)
_reduction("glu", saved=keeps_input, arguments="input, dim=-1", field=_gated_half)

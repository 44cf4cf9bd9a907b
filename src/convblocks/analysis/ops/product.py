"""Linear layers and products of matrices."""

from collections.abc import Set
from math import prod
from typing import Any

import torch
import torch.nn.functional as F

from convblocks.analysis.fields.axes import Axis, State, mixed
from convblocks.analysis.ops.einsum import Letters, contracted
from convblocks.analysis.ops.op import UNKNOWN, Op, add, plain_name
from convblocks.analysis.ops.shared_rules import Kept, batched, each_input, flat, keeps_other_factor
from convblocks.analysis.ops.window import weight_of
from convblocks.analysis.trace.fixes import fix_linear, fix_product
from convblocks.analysis.trace.graph import OpCall, Shape, Value

LINEAR = frozenset({"linear"})
_AXES_OF_BATCH = "FEDCBA"  # the last one first


def _linear_shape(x: torch.Tensor, weight: torch.Tensor, bias: Any = None) -> Shape | None:
    if x.ndim == 0 or x.shape[-1] != weight.shape[-1] or weight.ndim != 2:
        return None
    return (*x.shape[:-1], weight.shape[0])


def _linear_macs(call: OpCall) -> int:
    return prod(call.outputs[0].shape) * prod(weight_of(call).shape[1:])


def _linear_field(_call: OpCall, axis: Axis, value: Value, _out: Value) -> State:
    return mixed(axis, len(value.shape) - 1, stays=False)


def _linear_saved(call: OpCall, needs: Set[int]) -> tuple[Kept, ...]:
    x, weight = call.inputs[:2]
    kept = [flat(x)] if weight.number in needs else []
    return (*kept, weight) if x.number in needs else tuple(kept)


def _linear_label(call: OpCall) -> str:
    return f"linear, {weight_of(call).shape[1]} → {weight_of(call).shape[0]}"


def _macs(call: OpCall) -> int:
    """Each output element is a sum over the axis that both matrices share."""
    return prod(call.outputs[0].shape) * call.inputs[-2].shape[-1]


def _saved(call: OpCall, needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps each factor for the other; matrices in batches are multiplied as (batch, rows, columns)."""
    a, b = call.inputs[:2]
    kept = [batched(b, a)] if a.number in needs else []
    return (*kept, batched(a, b)) if b.number in needs else tuple(kept)


def _sum_saved(call: OpCall, needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps each of the two that are multiplied for the other; what is added to them is not kept."""
    a, b = call.inputs[-2:]
    return (*([b] if a.number in needs else []), *([a] if b.number in needs else []))


def letters(call: OpCall, out: Value, *ends: str, result: str = "mn") -> Letters:
    """Returns a product as an einsum, from the last axes of each operand; a vector has one axis less."""
    operands = [
        _AXES_OF_BATCH[8 - len(value.shape) :] + end if len(value.shape) > 1 else "k"
        for value, end in zip(call.inputs, ends, strict=False)
    ]
    if len(call.inputs[-1].shape) == 1 or len(call.inputs[0].shape) == 1:
        result = result.replace("n" if len(call.inputs[-1].shape) == 1 else "m", "")
    return operands, _AXES_OF_BATCH[6 + len(result) - len(out.shape) :] + result


def _product(*names: str, ends: tuple[str, ...], arguments: str) -> None:
    adds, reverse = len(ends) == 3, ends[0] == "kn"
    add(Op(
        names=names,
        arguments=arguments,
        shape=None,
        macs=_macs,
        field=contracted(lambda call, out: letters(call, out, *ends)),
        saved=_sum_saved if adds else _saved,
        workspace=None,
        label=plain_name,
        fix=None if adds or reverse else fix_product,
        factors=slice(-2, None) if adds else None,
    ))  # fmt: skip


add(Op(
    names=tuple(LINEAR),
    arguments="input, weight, bias=None",
    shape={F.linear: _linear_shape},
    macs=_linear_macs,
    field=each_input(_linear_field),
    saved=_linear_saved,
    workspace=None,
    label=_linear_label,
    fix=fix_linear,
    factors=slice(2),
    layer=True,
    checks_operands=True,
))  # fmt: skip
_product("matmul", "__matmul__", "mm", "bmm", ends=("mk", "kn"), arguments="input, other")
_product("__rmatmul__", ends=("kn", "mk"), arguments="input, other")
_product("addmm", "baddbmm", ends=("mn", "mk", "kn"), arguments="input, mat1, mat2, *, beta=1, alpha=1")
add(Op(
    names=("outer",),
    arguments="input, vec2",
    shape=None,
    macs=UNKNOWN,
    field=UNKNOWN,
    saved=keeps_other_factor(),
    workspace=None,
    label=plain_name,
))  # fmt: skip

"""Arithmetic, comparisons and logic on tensors, position by position, as functions and as Python's operators."""

from collections.abc import Set
from typing import Any

import torch

from convblocks.analysis.memory.workspace import Workspace
from convblocks.analysis.ops.op import UNKNOWN, Op, SavedRule, Unknown, WorkspaceRule, add, forms, plain_name
from convblocks.analysis.ops.shared_rules import (
    Kept,
    before,
    keeps_input,
    keeps_input_and_result,
    keeps_inputs,
    keeps_nothing,
    keeps_other_factor,
    keeps_result,
    same_position,
    written,
)
from convblocks.analysis.trace.fixes import fix_sum
from convblocks.analysis.trace.graph import OpCall, Shape, Value


def _shape(x: torch.Tensor, other: Any, **kwargs: Any) -> Shape | None:
    """Formula for floats of one type, which the result then has."""
    if kwargs or not x.is_floating_point():
        return None
    here = tuple(x.shape)
    if isinstance(other, int | float):
        return here
    if not isinstance(other, torch.Tensor) or other.dtype != x.dtype:
        return None
    there = tuple(other.shape)
    if here == there:
        return here
    short, long = sorted((here, there), key=len)
    pairs = list(zip((1,) * (len(long) - len(short)) + short, long, strict=True))
    return tuple(map(max, pairs)) if all(a == b or 1 in (a, b) for a, b in pairs) else None


def _quotient(call: OpCall, needs: Set[int]) -> tuple[Kept, ...]:
    if len(call.inputs) < 2:
        return () if isinstance(call.args[0], Value) else call.inputs
    top, bottom = call.inputs[:2]
    return (bottom, before(call, top)) if bottom.number in needs else (bottom,)


def _remainder(call: OpCall, needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps both for the derivative by the divisor, which is the whole quotient."""
    bottom = call.inputs[1:2]
    return (before(call, call.inputs[0]), *bottom) if bottom and bottom[0].number in needs else ()


def _power(call: OpCall, needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps the base; where the exponent is a tensor, that and the result too."""
    if len(call.inputs) == 1 and isinstance(call.args[0], Value):
        return keeps_input(call, needs)
    return (*keeps_input(call, needs), *call.inputs[1:], call.outputs[0])


def _hypotenuse(call: OpCall, needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps each side that learns, and the result that it is divided by."""
    a, b = call.inputs[0], call.inputs[-1]
    kept = [before(call, a)] if a.number in needs else []
    return (*kept, call.outputs[0], *([b] if b.number in needs and b.number != a.number else []))


def _clamp(call: OpCall, needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps the input, and each bound that is a tensor."""
    return (*keeps_input(call, needs), *call.inputs[1:])


def _condition(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps the condition, not what it chooses from, which may be whole numbers too."""
    return call.inputs[:1]


def _lerp(call: OpCall, needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps a weight that is a tensor; both ends where it learns."""
    if len(call.inputs) < 3:
        return ()
    start, end, weight = call.inputs
    return (before(call, start), end, weight) if weight.number in needs else (weight,)


def _no_workspace(_machine: Workspace, _call: OpCall) -> int:
    return 0


def _summed(_machine: Workspace, call: OpCall, needs: Set[int]) -> int:
    """Takes a product as large as the output for the gradient of a factor that was stretched, which is its sum."""
    out = call.outputs[0]
    return out.bytes if any(v.bytes < out.bytes and v.number in needs for v in call.inputs) else 0


_STRETCHED = WorkspaceRule(_no_workspace, _summed)


def _pointwise(
    *names: str,
    operators: tuple[str, ...] = (),
    sides: tuple[str, ...] = ("", "r", "i"),
    saved: SavedRule | Unknown,
    arguments: str = "input, other",
    sign: str = "",
    **facts: Any,
) -> Op:
    """Puts an op into the table whose output depends on the same position of its inputs."""
    given: dict[str, Any] = {"shape": None, "workspace": None, **facts}
    return add(Op(
        names=forms(*names, operators=operators, sides=sides),
        arguments=arguments,
        macs=None,
        field=same_position,
        saved=saved,
        label=written(sign) if sign else plain_name,
        sign=sign,
        pointwise=True,
        in_place_names=frozenset(f"__i{operator}__" for operator in operators),
        **given,
    ))  # fmt: skip


def _operators(*operators: str, **facts: Any) -> None:
    """Puts Python's operators into the table that have no function of their own."""
    _pointwise(operators=operators, **facts)


ADDITION = _pointwise(
    "add",
    operators=("add",),
    fix=fix_sum,
    saved=keeps_nothing,
    arguments="input, other, *, alpha=1",
    sign="+",
    shape={torch.Tensor.add: _shape, torch.Tensor.add_: _shape},
    hands_on_gradient=True,
)
SUBTRACTION = _pointwise("sub", operators=("sub",), fix=fix_sum, saved=keeps_nothing, sign="−")
_pointwise("subtract", saved=keeps_nothing)
_pointwise("rsub", saved=keeps_nothing, sign="−")
_pointwise(
    "mul",
    operators=("mul",),
    fix=fix_sum,
    saved=keeps_other_factor(),
    sign="×",
    shape={torch.Tensor.mul: _shape, torch.Tensor.mul_: _shape},
    workspace=_STRETCHED,
    gate=True,
)
_pointwise("multiply", saved=keeps_other_factor(), workspace=_STRETCHED, gate=True)
_pointwise(
    "div",
    operators=("div", "truediv"),
    fix=fix_sum,
    sides=("", "i"),
    saved=_quotient,
    sign="÷",
    workspace=_STRETCHED,
    gate=True,
)
_operators("div", "truediv", fix=fix_sum, sides=("r",), saved=keeps_result, sign="÷")
_pointwise("divide", "true_divide", saved=_quotient, workspace=_STRETCHED, gate=True)
_pointwise("floor_divide", saved=UNKNOWN, operators=("floordiv",), fix=fix_sum)
_pointwise("remainder", operators=("mod",), saved=_remainder)
_pointwise("fmod", saved=_remainder)
_pointwise("pow", operators=("pow",), sides=("", "i"), saved=_power, arguments="input, exponent")
_operators("pow", sides=("r",), saved=keeps_input_and_result)
_pointwise("maximum", "minimum", "fmax", "fmin", "atan2", saved=keeps_inputs)
_pointwise("hypot", saved=_hypotenuse)
_pointwise("where", saved=_condition, arguments="condition, input=None, other=None")
_pointwise("lerp", saved=_lerp, arguments="input, end, weight")
_pointwise(
    "addcmul",
    saved=keeps_other_factor(1, 3),
    arguments="input, tensor1, tensor2, *, value=1",
    gate=True,
)
_pointwise("addcdiv", saved=UNKNOWN, arguments="input, tensor1, tensor2, *, value=1")
_pointwise("clamp", "clip", saved=_clamp, arguments="input, min=None, max=None")
_pointwise("clamp_min", saved=_clamp, arguments="input, min")
_pointwise("clamp_max", saved=_clamp, arguments="input, max")
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    _pointwise(_name, operators=(_name,), sides=("", "r"), saved=keeps_nothing)
for _name in ("and", "or", "xor"):
    _pointwise(f"logical_{_name}", saved=keeps_nothing)
    _pointwise(f"bitwise_{_name}", operators=(_name,), saved=keeps_nothing)
ADDITIONS, SUBTRACTIONS = frozenset(ADDITION.names), frozenset(SUBTRACTION.names)

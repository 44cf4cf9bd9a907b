"""Ops that change a tensor's type, place or shape and keep its values, and those that take only shape and type."""

from typing import Any

from convblocks.analysis.ops.op import UNKNOWN, Op, add, plain_name
from convblocks.analysis.ops.shared_rules import keeps_nothing, same_position


def _same_values(*names: str, arguments: str = "input", saved: Any = keeps_nothing, **facts: Any) -> None:
    add(Op(
        names=names,
        arguments=arguments,
        shape=None,
        macs=None,
        field=same_position,
        saved=saved,
        workspace=None,
        label=plain_name,
        pointwise=True,
        **facts,
    ))  # fmt: skip


_same_values("to", arguments="input, other=None", converts=True, like=True, keeps_values=True, drawn=False)
_same_values("type", arguments="input, dtype=None", converts=True)
_same_values("type_as", arguments="input, other", like=True, keeps_values=True)
_same_values("float", keeps_values=True, drawn=False)
_same_values("double", "half", "bfloat16", keeps_values=True)
_same_values("int", "long", "bool")
_same_values("cpu", "cuda", "xpu", "pin_memory", converts=True)
_same_values("contiguous", "clone", keeps_values=True, drawn=False, hands_on_gradient=True)
_same_values("detach", "detach_", keeps_values=True, drawn=False, stops_gradient=True)
_same_values("data", stops_gradient=True)
_same_values("expand", "broadcast_to", arguments="input, size")
_same_values("expand_as", arguments="input, other", like=True)


def _fresh(*names: str, **facts: Any) -> None:
    add(Op(
        names=names,
        arguments="input",
        shape=None,
        macs=None,
        field=None,
        saved=keeps_nothing,
        workspace=None,
        label=plain_name,
        fresh=True,
        stops_gradient=True,
        **facts,
    ))  # fmt: skip


_fresh("zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full", "new_tensor")
_fresh("empty_like", "new_empty", "rand_like", "randn_like", "randint_like", random=True)
add(Op(
    names=("alias",),
    arguments="input",
    shape=None,
    macs=UNKNOWN,
    field=UNKNOWN,
    saved=UNKNOWN,
    workspace=None,
    label=plain_name,
    keeps_values=True,
))  # fmt: skip

"""Ops that join tensors along an axis, and ops that cut one into parts."""

from typing import Any

from convblocks.analysis.fields.axes import Axis, State, lost, placed, taken
from convblocks.analysis.fields.windows import sliced, without
from convblocks.analysis.ops.op import UNKNOWN, FieldRule, Op, Unknown, add, plain_name
from convblocks.analysis.ops.shared_rules import each_input, keeps_nothing
from convblocks.analysis.trace.fixes import fix_joined
from convblocks.analysis.trace.graph import OpCall, Value

CONCATENATIONS = frozenset({"cat", "concat", "concatenate"})
STACK, UNBIND = "stack", "unbind"
JOINS = CONCATENATIONS | {STACK}


def _joined(call: OpCall, axis: Axis, _value: Value, out: Value) -> State:
    """Joins branches along another axis; along its own, positions can no longer be distinguished."""
    place = call["dim"] % len(out.shape)
    return lost(axis, out.shape, place) if axis.runs_along(place) else axis


def _stacked(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    new = call["dim"] % len(out.shape)
    return placed(axis, [place + (place >= new) for place in range(len(value.shape))])


def _part(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """One part along an axis."""
    place = call["dim"] % len(value.shape)
    at = next(i for i, each in enumerate(call.outputs) if each is out)
    if call.name == UNBIND:
        return without(taken(axis, value.shape, place, at), place)
    begin = sum(each.shape[place] for each in call.outputs[:at])
    return sliced(axis, value.shape, out.shape, place, begin, 1)


def _narrowed(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    place, begin = call["dim"] % len(value.shape), call["start"]
    if not isinstance(begin, int):
        return lost(axis, out.shape, place) if axis.runs_along(place) else axis
    return sliced(axis, value.shape, out.shape, place, begin, 1)


def _label(call: OpCall) -> str:
    shape = call.outputs[0].shape
    return f"concat, {shape[1]} channels" if len(shape) > 1 else "concat"


def _op(*names: str, field: FieldRule | Unknown, arguments: str, **facts: Any) -> None:
    given: dict[str, Any] = {"macs": None, "label": plain_name, **facts}
    add(Op(
        names=names,
        arguments=arguments,
        shape=None,
        field=field,
        saved=keeps_nothing,
        workspace=None,
        **given,
    ))  # fmt: skip


_op(
    *sorted(CONCATENATIONS),
    field=each_input(_joined),
    arguments="tensors, dim=0",
    label=_label,
    fix=fix_joined,
    hands_on_gradient=True,
    joins=True,
)
_op(STACK, field=each_input(_stacked), arguments="tensors, dim=0", label=_label, fix=fix_joined)
_op("split", field=each_input(_part), arguments="input, split_size_or_sections, dim=0")
_op("chunk", field=each_input(_part), arguments="input, chunks, dim=0")
_op("tensor_split", field=each_input(_part), arguments="input, indices_or_sections, dim=0")
_op(UNBIND, field=each_input(_part), arguments="input, dim=0")
_op("narrow", field=each_input(_narrowed), arguments="input, dim, start, length")
_op("hsplit", "vsplit", "dsplit", field=UNKNOWN, arguments="input, indices_or_sections", macs=UNKNOWN)

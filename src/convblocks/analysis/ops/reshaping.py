"""Ops that lay the same elements along other axes: reshape and its kind, permutations, copies along an axis."""

from typing import Any

from convblocks.analysis.fields.axes import Axis, State, placed, reshaped, stretched
from convblocks.analysis.ops.op import UNKNOWN, FieldRule, Op, SavedRule, Unknown, add, plain_name
from convblocks.analysis.ops.shared_rules import as_list, each_input, keeps_nothing, same_position
from convblocks.analysis.trace.fixes import fix_view
from convblocks.analysis.trace.graph import OpCall, Value


def _reshaped(_call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    return reshaped(axis, value.shape, out.shape)


def _permuted(call: OpCall, axis: Axis, value: Value, _out: Value) -> State:
    given = call["dims"]
    order = given if isinstance(given, tuple) else call.args[1:]
    return _ordered(axis, [place % len(value.shape) for place in order])


def _swapped(call: OpCall, axis: Axis, value: Value, _out: Value) -> State:
    rank = len(value.shape)
    order = list(range(rank))
    a, b = call["dim0"] % rank, call["dim1"] % rank
    order[a], order[b] = b, a
    return placed(axis, order)


def _moved(call: OpCall, axis: Axis, value: Value, _out: Value) -> State:
    rank = len(value.shape)
    source, target = (
        [place % rank for place in as_list(call[name], ())] for name in ("source", "destination")
    )
    order = [place for place in range(rank) if place not in source]
    for goes, comes in sorted(zip(target, source, strict=True)):
        order.insert(goes, comes)
    return _ordered(axis, order)


def _ordered(axis: Axis, order: list[int]) -> Axis:
    """`order[new place] = old place`."""
    return placed(axis, [order.index(place) for place in range(len(order))])


def _tiled(_call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """The map again and again along an axis is not followed, new axes in front are."""
    more = len(out.shape) - len(value.shape)
    if any(value.shape[d.place] not in (1, out.shape[d.place + more]) for d in axis.digits):
        return None
    return stretched(axis, value.shape, out.shape)


def _view(
    *names: str,
    field: FieldRule | Unknown,
    arguments: str = "input",
    saved: SavedRule | Unknown = keeps_nothing,
    **facts: Any,
) -> None:
    """Puts an op into the table that, as long as its rules are known, has no place in a drawing."""
    given: dict[str, Any] = {"macs": None, "drawn": False, **facts}
    add(Op(
        names=names,
        arguments=arguments,
        shape=None,
        field=field,
        saved=saved,
        workspace=None,
        label=plain_name,
        **given,
    ))  # fmt: skip


_view("view", "reshape", fix=fix_view, field=each_input(_reshaped), arguments="input, shape=None")
_view("flatten", field=each_input(_reshaped), arguments="input, start_dim=0, end_dim=-1")
_view("unflatten", field=each_input(_reshaped), arguments="input, dim, sizes")
_view("reshape_as", "view_as", field=each_input(_reshaped), arguments="input, other", like=True)
_view("squeeze", field=each_input(_reshaped), arguments="input, dim=None", squeezes=True)
_view("unsqueeze", field=each_input(_reshaped), arguments="input, dim")
_view("ravel", field=each_input(_reshaped))
_view("permute", field=each_input(_permuted), arguments="input, dims=None")
_view("transpose", "swapaxes", "swapdims", field=each_input(_swapped), arguments="input, dim0=0, dim1=1")
_view("t", "T", field=each_input(_swapped), arguments="input, dim0=0, dim1=1")
_view("mT", field=each_input(_swapped), arguments="input, dim0=-2, dim1=-1")
_view("movedim", "moveaxis", field=each_input(_moved), arguments="input, source, destination")
_view("repeat", "tile", field=each_input(_tiled), arguments="input, dims")
_view("meshgrid", "as_strided", field=UNKNOWN)
_view("tril", "triu", field=same_position, arguments="input, diagonal=0")
_view("fill_", field=UNKNOWN, arguments="input, value")
_view("zero_", field=UNKNOWN)
_view("set_", field=UNKNOWN, arguments="input, source", saved=UNKNOWN)
_view("H", "real", "diagonal", "view_as_real", field=UNKNOWN, macs=UNKNOWN, drawn=True)

"""Entries of users' own ops: `register_op`."""

from collections.abc import Iterable

from torch.autograd.function import Function

from convblocks.analysis.ops.op import (
    OPS,
    UNKNOWN,
    FieldRule,
    LabelRule,
    MacsRule,
    Op,
    SavedRule,
    ShapeRule,
    Unknown,
    WindowRule,
    plain_name,
    signature,
)
from convblocks.analysis.ops.shared_rules import same_position, whole_map, written
from convblocks.analysis.ops.window import windowed
from convblocks.errors import OptionError

BUILT_IN = frozenset(OPS)
FIELDS = {"same position": same_position, "whole map": whole_map}


def register_op(
    op: str | Iterable[str] | type[Function],
    arguments: str = "input",
    *,
    shape: ShapeRule | None = None,
    macs: MacsRule | None = None,
    field: str | WindowRule | None = None,
    saved: SavedRule | None = None,
    label: str | LabelRule = plain_name,
) -> Op:
    """Puts an op into the table of ops that analyses read, so that it is no longer among the unknown ones.

    A rule is a function of the recorded call, an `OpCall`: ``call["stride"]`` is an argument by its name,
    ``call.inputs`` and ``call.outputs`` are the tensors, each with ``shape``, ``elements`` and ``bytes``. A custom
    autograd function is one op from then on: what its forward calls is no longer recorded. To register an op again
    replaces its entry; traces made before keep the one they have.

    Args:
        op: The names under which analyses report it, or a custom `torch.autograd.Function`.
        arguments: Its signature without annotations, e.g. ``input, weight, stride=1``; of a function's ``apply``.
        shape: (the op's own arguments) → the output's shape, a list for several; needed where its forward does not
            run on meta tensors.
        macs: (call) → multiply-accumulates of its forward pass; none by default.
        field: How an output sees the input: ``same position``, ``whole map``, or a function (call, axis) → `Window`
            that gives the window along each spatial axis of a map (N, K, *n). Unknown by default.
        saved: (call, numbers of the values that need a gradient) → the tensors that its backward pass needs, and
            the bytes of those that only it sees. Unknown by default.
        label: What a drawing calls it, or a function (call) → text.

    Returns:
        The entry.

    Raises:
        OptionError: For a name that has an entry of its own, and for arguments or a field that cannot be read.
    """
    function = op if isinstance(op, type) and issubclass(op, Function) else None
    names = _names(op)
    if taken := sorted(BUILT_IN.intersection(names)):
        raise OptionError("op", taken[0], "has an entry already; give your op another name")
    entry = Op(
        names=names,
        arguments=_checked(arguments),
        shape=None if shape is None else {_function_of(function): shape},
        macs=macs,
        field=_field_rule(field),
        saved=saved or UNKNOWN,
        workspace=None,
        label=written(label) if isinstance(label, str) else label,
        window=field if callable(field) else None,
        pointwise=field == "same position",
        whole_map=field == "whole map",
        function=function,
    )
    OPS.update(dict.fromkeys(names, entry))
    return entry


def _names(op: object) -> tuple[str, ...]:
    if isinstance(op, type) and issubclass(op, Function):
        return (op.__name__,)
    names = (op,) if isinstance(op, str) else tuple(op) if isinstance(op, Iterable) else ()
    if not names or not all(isinstance(name, str) and name for name in names):
        raise OptionError("op", op, "expected a name, several names, or a torch.autograd.Function")
    return names


def _function_of(function: type[Function] | None) -> type[Function]:
    if function is None:
        raise OptionError(
            "shape", "a formula", "is for a torch.autograd.Function: give the class in place of a name"
        )
    return function


def _checked(arguments: str) -> str:
    try:
        signature(arguments)
    except (SyntaxError, ValueError) as error:
        raise OptionError(
            "arguments", arguments, "expected a signature without annotations, as input, weight, stride=1"
        ) from error
    return arguments


def _field_rule(field: str | WindowRule | None) -> FieldRule | Unknown:
    if field is None:
        return UNKNOWN
    if callable(field):
        return windowed(field)
    if field not in FIELDS:
        choices = " or ".join(map(repr, FIELDS))
        raise OptionError("field", field, f"expected {choices}, or a function (call, axis) → Window")
    return FIELDS[field]

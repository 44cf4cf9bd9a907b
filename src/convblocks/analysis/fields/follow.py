"""Follows the axes of the first input through the ops of a trace: each op's entry says how its outputs see them."""

from convblocks.analysis.fields.axes import ALL, POOLED, Axis, State, start
from convblocks.analysis.trace.graph import OpCall, Trace, Value

States = tuple[State, ...]
"""One for each axis that is followed."""


def followed(
    trace: Trace, axes: tuple[int, ...], through_gates: bool, ops: int | None = None
) -> dict[int, States]:
    """Returns how values see these axes of the first input, through the first `ops` ops or all, by value's number."""
    fields: dict[int, States] = {trace.input.number: tuple([start(trace.input.shape, p) for p in axes])}
    for op in trace.ops[:ops]:
        reached = [
            (i, value, fields[value.number]) for i, value in enumerate(op.inputs) if value.number in fields
        ]
        if op.entry.like:
            reached = [each for each in reached if each[0] == 0]
        if not reached or op.entry.fresh:
            continue  # only parameters and constants
        for out in op.outputs:
            fields[out.number] = _through(op, reached, out, through_gates)
    return fields


def _through(op: OpCall, reached: list[tuple[int, Value, States]], out: Value, gates: bool) -> States:
    _, value, field = reached[0]
    if len(reached) == 1 and value.shape == out.shape and op.entry.pointwise:
        return field
    return tuple(
        [
            through(op, [(i, value, field[axis]) for i, value, field in reached], out, gates=gates)
            for axis in range(len(field))
        ]
    )


def through(
    call: OpCall, incoming: list[tuple[int, Value, State]], out: Value, *, gates: bool = True
) -> State:
    """Returns how an output of a call sees an axis, from how its inputs do; see `receptive_fields` for `gates`."""
    op = call.entry
    if (
        len(incoming) > 1
        and not gates
        and op.gate
        and any(isinstance(state, Axis) for _, _, state in incoming)
    ):
        incoming = [each for each in incoming if each[2] != POOLED]
    rule = op.field
    if not callable(rule):
        return ALL if all(state in (ALL, POOLED) for _, _, state in incoming) else None
    if not gates and op.whole_map:
        return incoming[0][2]
    return rule(call, incoming, out)

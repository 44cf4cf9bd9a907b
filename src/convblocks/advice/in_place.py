"""CB505: ops that overwrite in place a tensor that backward needs; forward runs, and backward raises."""

from collections.abc import Iterator

from convblocks.advice.view import View, Violation, named
from convblocks.analysis.learning import learns, needs_gradient
from convblocks.analysis.trace import OpCall, Value

WRITTEN = {"__iadd__": "y += x", "__isub__": "y -= x", "__imul__": "y *= x", "__itruediv__": "y /= x"}


def overwritten(view: View) -> Iterator[Violation]:
    """Finds ops that write in place on what an op before them keeps for backward.

    Left out: ops that backward runs again, as in checkpoints, and writes through ``.data``, which are not counted.
    """
    needs = needs_gradient(view.trace)
    keeps: dict[int, OpCall] = {}  # by storage: the op that keeps it
    uncounted: set[int] = set()
    for op in view.trace.ops:
        if op.name == "data" or (op.inputs and op.inputs[0].number in uncounted):
            uncounted.update(value.number for value in op.outputs)
        elif _writes(op) and op.inputs and (reader := keeps.get(op.inputs[0].storage)):
            yield _violation(op, reader)
        if op.checkpoint or op.function or not learns(op, needs):
            continue
        rule = op.entry.saved
        for kept in (rule(op, needs) if callable(rule) else None) or ():
            if isinstance(kept, Value):
                keeps.setdefault(kept.storage, op)


def _writes(op: OpCall) -> bool:
    """Returns whether an op writes on its input; dropout of nothing does not, even in place."""
    return op.in_place and not (op.entry.idle and op.get("p") == 0)


def _violation(op: OpCall, reader: OpCall) -> Violation:
    done = WRITTEN.get(op.name, op.name)
    return Violation(
        place=op.path,
        message=f"{done} overwrites in place a tensor that the backward of {reader.name} in "
        f"{named(reader.path)} needs: forward runs, and backward raises",
        fix="write a new tensor, as y = y + x for y += x, or inplace=False for inplace=True; or work on y.clone()",
        figures={"op": op.name, "kept_by": reader.name},
    )

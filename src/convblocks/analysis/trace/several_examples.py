"""Finds where a forward of several examples is not that of one: traces of both, side by side."""

from convblocks.analysis.trace.graph import OpCall, Trace

SEVERAL = 3  # examples of the second trace


def lost_axis(one: Trace, several: Trace) -> OpCall | None:
    """The first op that gives another number of axes for one example than for several, as squeeze() does."""
    for a, b in zip(one.ops, several.ops, strict=False):
        if a.name != b.name:
            return None
        if len(a.outputs[0].shape) != len(b.outputs[0].shape):
            return b
    return None


def keeping_axis(op: OpCall) -> str:
    """Returns what to write in place of an op that takes the batch axis of one example away."""
    name = f"{op.name}()" if op.entry.squeezes else op.name
    at = f" in {op.path}" if op.path else ""
    if op.entry.squeezes and op.inputs and op.inputs[0].shape[1:] == (1,):
        return f"{name}{at} takes the batch axis of one example away too: name the axis to drop, squeeze(1)"
    return (
        f"{name}{at} takes the batch axis of one example away too: name the axes to drop, or use x.flatten(1)"
    )


def norms_of_one_value(trace: Trace) -> list[OpCall]:
    """Batch norms of maps with one value a channel, all examples together."""
    reached = {value.number for value in trace.inputs}
    norms = []
    for op in trace.ops:
        if not reached.isdisjoint([value.number for value in op.inputs]):
            reached.update([value.number for value in op.outputs])
            x = op.inputs[0]
            if op.entry.over_batch and x.number in reached and x.elements == x.shape[1]:
                norms.append(op)
    return norms

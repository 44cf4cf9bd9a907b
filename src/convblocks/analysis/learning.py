"""Who needs a gradient: autograd's own rule, which the cost of backward and what it keeps both read."""

from collections.abc import Set

from convblocks.analysis.trace.graph import OpCall, Trace, Value
from convblocks.analysis.trace.handle import once_per_trace


@once_per_trace
def needs_gradient(trace: Trace) -> frozenset[int]:
    """Numbers of the values through which a gradient passes: what learns, and all that is made of it."""
    needs = {number for number, parameter in trace.parameters.items() if parameter.trainable}
    for op in trace.ops:
        read = op.inputs[:1] if op.entry.like else op.inputs
        if op.no_grad or op.entry.stops_gradient or needs.isdisjoint([value.number for value in read]):
            continue
        needs.update([v.number for v in op.outputs if v.dtype.is_floating_point or v.dtype.is_complex])
    return frozenset(needs)


@once_per_trace
def gets_gradient(trace: Trace) -> frozenset[int]:
    """Numbers of those values that backward comes to from the outputs: neither detached on the way nor unused."""
    needs = needs_gradient(trace)
    reached: set[int] = set()
    storages: set[int] = set()

    def come_to(values: tuple[Value, ...]) -> None:
        for value in values:
            if value.number in needs:
                reached.add(value.number)
                storages.add(value.storage)

    come_to(trace.outputs)
    for op in reversed(trace.ops):
        # What is written into a view has another number than what is read of the whole.
        written = op.in_place and op.outputs[0].storage in storages
        if learns(op, needs if written else reached):
            come_to(op.outputs)
            come_to(op.inputs)
    return frozenset(reached)


def learns(op: OpCall, needs: Set[int]) -> bool:
    """Returns whether what it makes is among these."""
    return not needs.isdisjoint([value.number for value in op.outputs])

"""The tensors that a training step keeps between forward and backward, read off a trace.

Autograd keeps, of each op through which a gradient will pass, the tensors that its derivative needs. Each storage
counts once: views share theirs, and what an op in place made stands where its input stood. What the module holds
itself, parameters and buffers, is there anyway and does not count. A checkpointed segment keeps what it is given, and
a custom autograd.Function what it says.
"""

from collections.abc import Iterable

from msgspec import Struct

from convblocks.analysis.learning import learns, needs_gradient
from convblocks.analysis.ops.shared_rules import Kept
from convblocks.analysis.trace.graph import Trace, Value
from convblocks.analysis.trace.handle import once_per_trace


class Saved(Struct, frozen=True, gc=False):
    """A storage that backward needs."""

    storage: int  # −1: only autograd sees it
    bytes: int


class Ledger(Struct, frozen=True):
    """The storages kept, by op: each stands at the first op that needs it, which on the way back is the last."""

    saved: tuple[tuple[Saved, ...], ...]
    unknown: tuple[tuple[str, int], ...]  # ops that learn and have no rule: name, index
    needs: frozenset[int]  # numbers of the values that need a gradient

    @property
    def bytes(self) -> int:
        """The bytes of all that is kept."""
        return sum([each.bytes for op in self.saved for each in op])


@once_per_trace
def saved_for_backward(trace: Trace, *, checkpoints: bool = True) -> Ledger:
    """Op by op; with `checkpoints=False` as if no segment were checkpointed.

    The trace is of eval mode. Attention whose `dropout_p` eval mode hides keeps what the module's attributes say of
    training; where they do not say it, the op is among the unknown ones.
    """
    needs = needs_gradient(trace)
    sizes = {value.storage: value.bytes for value in trace.inputs}
    counted = set(trace.held)
    made: dict[int, int] = {}  # the segment in which a storage appeared
    ledger: list[tuple[Saved, ...]] = []
    unknown = []
    for i, op in enumerate(trace.ops):
        for value in op.inputs:
            sizes.setdefault(value.storage, value.bytes)
        for value in op.outputs:
            if value.storage not in sizes:
                sizes[value.storage] = value.bytes
                made[value.storage] = op.checkpoint
        kept: Iterable[Kept] = ()
        last = i + 1 == len(trace.ops) or trace.ops[i + 1].function != op.function
        if op.function and (checkpoints or not op.checkpoint):
            if last and not needs.isdisjoint([v.number for v in trace.saves[op.function]]):
                kept = trace.saves[op.function]
        elif checkpoints and op.checkpoint:
            kept = [v for v in op.inputs if made.get(v.storage) != op.checkpoint]
        elif learns(op, needs):
            rule = op.entry.saved
            values = rule(op, needs) if callable(rule) else None
            if values is None:
                unknown.append((op.name, i))
            else:
                kept = values
        ledger.append(tuple(_first(kept, sizes, counted)))
    return Ledger(tuple(ledger), tuple(unknown), needs)


def _first(kept: Iterable[Kept], sizes: dict[int, int], counted: set[int]) -> Iterable[Saved]:
    """Gives those that are not counted yet."""
    for each in kept:
        if not isinstance(each, Value):
            if each:
                yield Saved(-1, each)
        elif each.storage not in counted:
            counted.add(each.storage)
            yield Saved(each.storage, sizes[each.storage])

"""The memory of a training step, op by op: forward, then backward in reverse.

Forward, what an op makes lives until its last reader is done, or until backward is if autograd keeps it. Backward,
an op turns the gradient of its output into those of its inputs and lets go of what it kept; a parameter's
gradient stays. A checkpointed segment runs forward once more when backward comes to it (as use_reentrant=False does;
the other way also holds the segment's output and its gradient to the end). A custom autograd.Function holds what it
saved until its backward is done, and one that runs segments again works on a copy of that, as reversible chains do.
"""

from collections.abc import Iterable

from msgspec import Struct

from convblocks.analysis.memory.saved import Ledger, Saved, saved_for_backward
from convblocks.analysis.memory.workspace import Workspace
from convblocks.analysis.trace.graph import OpCall, Trace, Value
from convblocks.records.step import Phase

NONE = range(-1, -1)  # the ops of no function


class Moment(Struct, frozen=True):
    """The memory held while one op runs, besides what is there all the time."""

    phase: Phase
    path: str
    gradients: int = 0  # of parameters
    saved: int = 0
    transient: int = 0  # maps on their way to the next op, and gradients of maps
    workspace: int = 0

    @property
    def bytes(self) -> int:
        """The bytes of all of it."""
        return self.gradients + self.saved + self.transient + self.workspace


class Timeline:
    """Walks through a step and remembers its largest moment."""

    def __init__(self, trace: Trace, instruction_set: str) -> None:
        self.trace = trace
        self.workspace = Workspace(instruction_set)
        self.phase: Phase = "forward"
        self.kept = saved_for_backward(trace)
        self.recomputed = saved_for_backward(trace, checkpoints=False)
        own = trace.held.union([value.storage for value in trace.inputs])  # there all the time
        self.sizes: dict[int, int] = {}
        for op in trace.ops:
            for value in op.outputs:
                if value.storage not in own:
                    self.sizes.setdefault(value.storage, value.bytes)
        self.dying: dict[int, list[int]] = {}  # storages, by the op after which nobody holds them
        results = {value.storage for value in trace.outputs}
        for storage, i in _last_holders(trace).items():
            if storage not in results:
                self.dying.setdefault(i, []).append(storage)
        self.maps: set[int] = set()  # storages that are held
        self.needed: set[int] = set()  # of these, what backward needs
        self.unseen = 0  # bytes that only autograd sees
        self.functions = _functions(trace)
        self.released = _released(self.kept, self.functions)
        self.rebuilt = 0  # bytes of the copy that a custom function works on
        self.learnt: set[int] = set()  # parameters that have their gradient
        self.gradients = 0
        self.buffers = Buffers()
        self.largest = Moment("forward", "")
        self.tensor_bytes = 0  # the most that is held without workspace
        self.saved_bytes = 0  # when forward is done

    def run(self) -> None:
        """Walks forward, then backward."""
        ops = self.trace.ops
        self._forward(range(len(ops)), self.kept.saved)
        self.saved_bytes = self._saved()
        self.phase = "backward"
        self.maps &= self.needed
        for value in self.trace.outputs:
            if value.number in self.kept.needs:
                self.buffers.give(value, self.buffers.new(value.bytes))
        i = len(ops)
        while i:
            stop, segment = i, ops[i - 1].checkpoint
            i -= 1
            while segment and i and ops[i - 1].checkpoint == segment:
                i -= 1
            if segment:
                self._forward(range(i, stop), self.recomputed.saved)
                self.maps &= self.needed
            for j in reversed(range(i, stop)):
                self._backward(j, (*self.released[j], *(self.recomputed.saved[j] if segment else ())))

    def _forward(self, span: range, saved: tuple[tuple[Saved, ...], ...]) -> None:
        for i in span:
            op = self.trace.ops[i]
            self.maps.update([value.storage for value in op.outputs if value.storage in self.sizes])
            for each in saved[i]:
                if each.storage in self.sizes:
                    self.needed.add(each.storage)
                elif each.storage < 0:
                    self.unseen += each.bytes
            self._note(op, self.workspace.forward_bytes(op))
            self.maps.difference_update([s for s in self.dying.get(i, ()) if s not in self.needed])

    def _backward(self, i: int, saved: Iterable[Saved]) -> None:
        op = self.trace.ops[i]
        function = self.functions.get(op.function, NONE)
        if i == function.stop - 1 and any(self.trace.ops[j].checkpoint for j in function):
            self.rebuilt = sum([each.bytes for each in self.released[function.start]])
        given = [self.buffers.take(value.number) for value in op.outputs if value.number in self.buffers]
        made = self._input_gradients(op, given) if given else []
        self._note(op, self.workspace.backward_bytes(op, self.kept.needs) if given else 0)
        for each in saved:
            if each.storage < 0:
                self.unseen -= each.bytes
            self.needed.discard(each.storage)
            self.maps.discard(each.storage)
        if i == function.start:
            self.rebuilt = 0
        for buffer in given:
            self.buffers.drop(buffer)
        for value, buffer in made:
            if self.buffers.give(value, buffer):
                self._note(op, 0, summed=value.bytes)

    def _input_gradients(self, op: OpCall, given: list[int]) -> list[tuple[Value, int]]:
        """A buffer for each map; parameters keep theirs."""
        made = []
        out = op.outputs[0]
        for value in {value.number: value for value in op.inputs}.values():
            if value.number not in self.kept.needs:
                continue
            if value.number in self.trace.parameters:
                if value.number not in self.learnt:
                    self.learnt.add(value.number)
                    self.gradients += value.bytes
            elif _passes(op) and (value.bytes == out.bytes or op.entry.joins):
                made.append((value, self.buffers.share(given[0])))
            else:
                made.append((value, self.buffers.new(value.bytes)))
        return made

    def _saved(self) -> int:
        return self.unseen + sum([self.sizes[storage] for storage in self.needed])

    def _note(self, op: OpCall, workspace: int, summed: int = 0) -> None:
        transient = summed + sum([self.sizes[storage] for storage in self.maps if storage not in self.needed])
        transient += self.buffers.bytes + self.rebuilt
        moment = Moment(self.phase, op.path, self.gradients, self._saved(), transient, workspace)
        self.tensor_bytes = max(self.tensor_bytes, moment.bytes - workspace)
        if moment.bytes > self.largest.bytes:
            self.largest = moment


def _last_holders(trace: Trace) -> dict[int, int]:
    """Returns, by storage, the op after which nobody holds it: a module's inputs are held until its call is done."""
    made: dict[int, int] = {}
    last: dict[int, int] = {}
    for i, op in enumerate(trace.ops):
        for value in op.outputs:
            made.setdefault(value.storage, i)
            last[value.storage] = i
        for value in op.inputs:
            call, until = op.call, i
            while call >= 0 and made.get(value.storage, -1) < trace.calls[call].start:
                until = max(until, trace.calls[call].stop - 1)
                call = trace.calls[call].parent
            last[value.storage] = max(until, last.get(value.storage, -1))
    return last


def _functions(trace: Trace) -> dict[int, range]:
    """The ops of each custom function."""
    spans: dict[int, range] = {}
    for i, op in enumerate(trace.ops):
        if op.function:
            spans[op.function] = range(spans.get(op.function, range(i, i)).start, i + 1)
    return spans


def _released(kept: Ledger, functions: dict[int, range]) -> list[tuple[Saved, ...]]:
    """Returns what backward lets go of, by op."""
    released = list(kept.saved)
    for function in functions.values():
        saved = tuple([each for i in function for each in kept.saved[i]])
        released[function.start : function.stop] = [saved, *[()] * (len(function) - 1)]
    return released


def _passes(op: OpCall) -> bool:
    """Returns whether it hands on, backward, the gradient that it is given; so does a view, unless it shows a part."""
    if op.entry.hands_on_gradient:
        return True
    view = op.inputs and op.outputs[0].storage == op.inputs[0].storage
    return bool(view) and not op.in_place


class Buffers:
    """Gradients of maps. Several values may share one."""

    def __init__(self) -> None:
        self.bytes = 0
        self._of: dict[int, int] = {}  # by the number of the value
        self._sizes: list[int] = []
        self._owners: list[int] = []

    def __contains__(self, number: int) -> bool:
        return number in self._of

    def new(self, size: int) -> int:
        """Books a buffer and returns its number."""
        self.bytes += size
        self._sizes.append(size)
        self._owners.append(1)
        return len(self._sizes) - 1

    def share(self, buffer: int) -> int:
        """Returns a buffer that has one more owner."""
        self._owners[buffer] += 1
        return buffer

    def drop(self, buffer: int) -> None:
        """Takes an owner from a buffer, whose memory goes with the last."""
        self._owners[buffer] -= 1
        if not self._owners[buffer]:
            self.bytes -= self._sizes[buffer]

    def take(self, number: int) -> int:
        """Takes the buffer away from a value."""
        return self._of.pop(number)

    def give(self, value: Value, buffer: int) -> bool:
        """Add to what the value has; True if that took a third buffer, since neither was the value's own."""
        number = value.number
        if number not in self._of:
            self._of[number] = buffer
            return False
        before = self._of[number]
        for own, other in ((before, buffer), (buffer, before)):
            if self._owners[own] == 1 and self._sizes[own] == value.bytes:
                self._of[number] = own
                self.drop(other)
                return False
        self.drop(before)
        self.drop(buffer)
        self._of[number] = self.new(value.bytes)
        return True

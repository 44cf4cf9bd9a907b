"""The peak memory of one training step on a CPU, and the largest batch whose step fits."""

from collections.abc import Callable, Sequence

import torch
from msgspec import Struct
from torch import nn

from convblocks.analysis.cost import parameters_of_forward
from convblocks.analysis.memory.processor import instruction_set as instruction_set_here
from convblocks.analysis.memory.timeline import Moment, Timeline
from convblocks.analysis.trace import Trace, check_alone, once_per_trace, trace
from convblocks.analysis.trace.several_examples import norms_of_one_value
from convblocks.analysis.trace.walk import buffers, parameters
from convblocks.errors import OptionError, TraceError
from convblocks.records import StepMemory

# Tensors of a parameter's size: what the optimizer keeps, and what its step needs for one parameter at a time.
OPTIMIZERS = {"sgd": (0, 0), "momentum": (1, 0), "adam": (2, 2), "adamw": (2, 2)}
MOST = 2**24  # a batch that is larger is no answer


def step_memory(
    target: nn.Module | Trace,
    *input_sizes: Sequence[int],
    batch: int | None = None,
    optimizer: str = "sgd",
    dtypes: Sequence[torch.dtype] = (),
    axes: str | None = None,
    instruction_set: str | None = None,
) -> StepMemory:
    """Predicts the peak memory of a training step on a CPU: zero_grad, forward, backward, optimizer step.

    Bytes are those of tensors and of the CPU's kernels (workspace.py), which another device does not take so;
    what the process holds without the module (interpreter, libraries) is not in them.
    Checked with one thread, and with two on AVX2. With several, the sums that each of them has of a weight's gradient
    are not counted: a single convolution of few channels may take more.

    Args:
        target: a module, or its trace, beside which no sizes, dtypes or axes are given.
        input_sizes: (channels, *spatial) of each input, without the batch axis.
        batch: examples of a step; those of the trace, or 1, where not given. A trace of another batch is made anew.
        optimizer: sgd, momentum, adam or adamw, as torch.optim has them, one parameter at a time.
        dtypes: of each input, float32 where not given.
        axes: names of the first input's axes where channels are not first, e.g. ``time,channels``; see `trace`.
        instruction_set: of the processor that it is for, AVX2 or AVX512, since kernels and their workspace differ; by
            default this machine's, as oneDNN uses it. For others the workspace of convolutions is not modelled,
            which the record says (`workspace_note`).

    Raises:
        OptionError: for an option that cannot be used.
        TraceError: if the forward fails, or a training step of one example would.
    """
    if optimizer not in OPTIMIZERS:
        raise OptionError("optimizer", optimizer, f"expected one of {', '.join(OPTIMIZERS)}")
    isa = instruction_set.upper() if instruction_set else instruction_set_here()
    if isinstance(target, Trace):
        check_alone(input_sizes, dtypes, axes)
        traced, batch = target, target.batch if batch is None else _examples(batch)
    else:
        batch = 1 if batch is None else _examples(batch)
        traced = trace(target, *input_sizes, dtypes=dtypes, batch=batch, axes=axes)
    return _step(traced, batch=batch, optimizer=optimizer, isa=isa)


@once_per_trace
def _step(traced: Trace, *, batch: int, optimizer: str, isa: str) -> StepMemory:
    """Kept on the trace that was given for every batch; the traces of other batches are not, which are large."""
    if batch == traced.batch:
        return _predicted(traced, optimizer, isa)
    sizes, dtypes = traced.input_sizes, traced.dtypes
    return _predicted(
        trace(traced.module, *sizes, dtypes=dtypes, batch=batch, axes=traced.axes), optimizer, isa
    )


def _predicted(trace: Trace, optimizer: str, isa: str) -> StepMemory:
    module, batch = trace.module, trace.batch
    if batch == 1 and (norms := norms_of_one_value(trace)):
        raise TraceError(
            f"{type(module).__name__}: a training step of one example fails in the batch norm {norms[0].path}, which "
            "has one value a channel then; give a batch of 2 or more"
        )
    line = Timeline(trace, isa)
    line.run()
    static = _static_memory(trace, optimizer)
    learnt = static.learnt_bytes
    stepping = Moment(
        "step", "", gradients=sum(learnt), workspace=OPTIMIZERS[optimizer][1] * max(learnt, default=0)
    )
    at = max(line.largest, stepping, key=lambda moment: moment.bytes)
    return StepMemory(
        module=type(module).__name__,
        input_sizes=trace.input_sizes,
        dtypes=tuple([str(dtype).removeprefix("torch.") for dtype in trace.dtypes]),
        batch=batch,
        optimizer=optimizer,
        param_bytes=static.param_bytes,
        buffer_bytes=static.buffer_bytes,
        input_bytes=static.input_bytes,
        optimizer_bytes=static.optimizer_bytes,
        gradient_bytes=sum(learnt),
        saved_bytes=line.saved_bytes,
        tensor_bytes=static.bytes + max(line.tensor_bytes, stepping.bytes),
        peak_bytes=static.bytes + at.bytes,
        peak_phase=at.phase,
        peak_at=at.path,
        peak_gradient_bytes=at.gradients,
        peak_saved_bytes=at.saved,
        peak_transient_bytes=at.transient,
        peak_workspace_bytes=at.workspace,
        instruction_set=isa,
        workspace_note="" if line.workspace.modelled else f"workspace not modelled for {isa}",
        unsaved_ops=tuple(sorted({name for name, _ in line.kept.unknown})),
    )


class StaticMemory(Struct, frozen=True):
    """The memory held from the first moment of a step to the last."""

    param_bytes: int
    buffer_bytes: int
    input_bytes: int
    optimizer_bytes: int
    learnt_bytes: tuple[int, ...]  # of each parameter that learns

    @property
    def bytes(self) -> int:
        """The bytes of all of it."""
        return self.param_bytes + self.buffer_bytes + self.input_bytes + self.optimizer_bytes


def _static_memory(trace: Trace, optimizer: str) -> StaticMemory:
    weights = [(p.numel() * p.element_size(), p.requires_grad) for p in parameters(trace.module).values()]
    weights += [(value.bytes, p.trainable) for value, p in parameters_of_forward(trace)]
    learnt = tuple([size for size, learns in weights if learns])
    return StaticMemory(
        param_bytes=sum([size for size, _ in weights]),
        buffer_bytes=sum({id(b): b.numel() * b.element_size() for b in buffers(trace.module)}.values()),
        input_bytes=sum([value.bytes for value in trace.inputs]),
        optimizer_bytes=OPTIMIZERS[optimizer][0] * sum(learnt),
        learnt_bytes=learnt,
    )


def _examples(batch: int) -> int:
    if not isinstance(batch, int) or isinstance(batch, bool):
        raise OptionError("batch", batch, "expected a whole number of examples")
    if batch < 1:
        raise OptionError("batch", batch, "expected at least 1 example")
    if batch > MOST:
        raise OptionError("batch", batch, f"expected at most {MOST:,} examples")
    return batch


def _smallest(peak: Callable[[int], int]) -> tuple[int, int]:
    """The smallest batch of which a step can be run, and what it takes."""
    try:
        return 1, peak(1)
    except TraceError as of_one:
        try:
            return 2, peak(2)
        except TraceError:
            raise of_one from None


def _whole_bytes(memory_bytes: float) -> int:
    """8e9 is as good as 8 * 10**9."""
    if not isinstance(memory_bytes, int | float) or not 1 <= memory_bytes < float("inf"):
        raise OptionError("memory_bytes", memory_bytes, "expected a positive number of bytes")
    return int(memory_bytes)


def largest_batch(
    target: nn.Module | Trace,
    *input_sizes: Sequence[int],
    memory_bytes: float,
    optimizer: str = "sgd",
    dtypes: Sequence[torch.dtype] = (),
    axes: str | None = None,
    instruction_set: str | None = None,
) -> int:
    """Returns the largest batch whose training step on a CPU stays within `memory_bytes`; 0 if the smallest does not.

    The smallest is 1 example, or 2 where one cannot be trained, as a batch norm over one value a channel cannot.
    Each batch that is tried is traced, so nothing is taken to grow evenly. Other arguments and errors are those of
    `step_memory`; leave room for what the process holds without the module.
    """
    limit = _whole_bytes(memory_bytes)

    def peak(batch: int) -> int:
        step = step_memory(
            target,
            *input_sizes,
            batch=batch,
            optimizer=optimizer,
            dtypes=dtypes,
            axes=axes,
            instruction_set=instruction_set,
        )
        return step.peak_bytes - limit

    fits, over = (0, -limit), _smallest(peak)
    if over[1] > 0:
        return 0
    while over[1] <= 0 and over[0] < MOST:
        fits, over = over, (2 * over[0], peak(2 * over[0]))
    if over[1] <= 0:
        return over[0]
    while over[0] - fits[0] > 1:  # where the line between both meets the limit, or a step further
        (low, room), (high, excess) = fits, over
        guess = low + (high - low) * -room // (excess - room)
        batch = min(max(guess, low + 1), high - 1)
        left = peak(batch)
        fits, over = ((batch, left), over) if left <= 0 else (fits, (batch, left))
    return fits[0]

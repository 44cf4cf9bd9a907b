"""What one training step needs at most, and the largest batch whose step fits."""

from collections.abc import Sequence

import torch
from torch import nn

from convblocks.analysis.memory.timeline import Moment, Timeline
from convblocks.analysis.trace import trace
from convblocks.analysis.trace.recorder import buffers, parameters
from convblocks.errors import OptionError
from convblocks.records import StepMemory

# Tensors of a parameter's size: what the optimizer keeps, and what its step needs for one parameter at a time.
OPTIMIZERS = {"sgd": (0, 0), "momentum": (1, 0), "adam": (2, 2), "adamw": (2, 2)}
MOST = 2**24  # a batch that is larger is no answer


def step_memory(
    module: nn.Module,
    *input_sizes: Sequence[int],
    batch: int = 1,
    optimizer: str = "sgd",
    dtypes: Sequence[torch.dtype] = (),
) -> StepMemory:
    """Predict the peak memory of a training step: zero_grad, forward, backward, optimizer step.

    input_sizes: (channels, *spatial) of each input, without the batch axis.
    optimizer: sgd, momentum, adam or adamw, as torch.optim has them, one parameter at a time.
    dtypes: of each input, float32 where not given.
    Bytes are those of tensors; what the process holds without the module (interpreter, libraries) is not in them.
    Raises OptionError, or TraceError if the forward fails.
    """
    if optimizer not in OPTIMIZERS:
        raise OptionError("optimizer", optimizer, f"expected one of {', '.join(OPTIMIZERS)}")
    if batch < 1:
        raise OptionError("batch", batch, "expected at least 1 example")
    seen = trace(module, *input_sizes, dtypes=dtypes, batch=batch)
    line = Timeline(seen)
    line.run()
    weights = parameters(module).values()
    learnt = [p.numel() * p.element_size() for p in weights if p.requires_grad]
    states, scratch = OPTIMIZERS[optimizer]
    param_bytes = sum([p.numel() * p.element_size() for p in weights])
    buffer_bytes = sum({id(b): b.numel() * b.element_size() for b in buffers(module)}.values())
    input_bytes = sum([value.bytes for value in seen.inputs])
    always = param_bytes + buffer_bytes + input_bytes + states * sum(learnt)
    stepping = Moment("step", "", gradients=sum(learnt), workspace=scratch * max(learnt, default=0))
    at = max(line.largest, stepping, key=lambda moment: moment.bytes)
    return StepMemory(
        module=type(module).__name__,
        input_sizes=tuple([value.shape[1:] for value in seen.inputs]),
        dtypes=tuple([str(value.dtype).removeprefix("torch.") for value in seen.inputs]),
        batch=batch,
        optimizer=optimizer,
        param_bytes=param_bytes,
        buffer_bytes=buffer_bytes,
        input_bytes=input_bytes,
        optimizer_bytes=states * sum(learnt),
        gradient_bytes=sum(learnt),
        saved_bytes=line.saved_bytes,
        tensor_bytes=always + max(line.tensor_bytes, stepping.bytes),
        peak_bytes=always + at.bytes,
        peak_phase=at.phase,
        peak_at=at.path,
        peak_gradient_bytes=at.gradients,
        peak_saved_bytes=at.saved,
        peak_transient_bytes=at.transient,
        peak_workspace_bytes=at.workspace,
        unsaved_ops=tuple(sorted({name for name, _ in line.kept.unknown})),
    )


def largest_batch(
    module: nn.Module,
    *input_sizes: Sequence[int],
    memory_bytes: int,
    optimizer: str = "sgd",
    dtypes: Sequence[torch.dtype] = (),
) -> int:
    """The largest batch whose training step stays within `memory_bytes`; 0 if one example does not.

    Each batch that is tried is traced, so nothing is taken to grow evenly. Other arguments and errors as for
    step_memory; leave room for what the process holds without the module.
    """

    if memory_bytes < 1:
        raise OptionError("memory_bytes", memory_bytes, "expected a positive number of bytes")

    def peak(batch: int) -> int:
        found = step_memory(module, *input_sizes, batch=batch, optimizer=optimizer, dtypes=dtypes)
        return found.peak_bytes - memory_bytes

    fits, over = (0, -memory_bytes), (1, peak(1))
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

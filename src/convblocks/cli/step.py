"""The memory of a training step, part by part, as ``convblocks analyze --batch`` and ``--memory`` print it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from convblocks.analysis import Trace, largest_batch, step_memory
from convblocks.cli.terminal import SafeConsole
from convblocks.errors import OptionError
from convblocks.formatting import size
from convblocks.records import StepMemory
from convblocks.text import plural

NAMES = {"sgd": "SGD", "momentum": "SGD with momentum", "adam": "Adam", "adamw": "AdamW"}


@dataclass(frozen=True)
class StepOptions:
    """The options of ``analyze`` that are about a training step."""

    batch: int | None = None
    memory_bytes: int | None = None
    optimizer: str | None = None

    def __post_init__(self) -> None:
        if self.optimizer is not None and self.optimizer not in NAMES:
            raise OptionError("optimizer", self.optimizer, f"expected one of {', '.join(NAMES)}")
        if self.optimizer is not None and self.batch is None and self.memory_bytes is None:
            raise OptionError(
                "optimizer", self.optimizer, "goes with --batch or --memory, whose step it takes"
            )


@dataclass(frozen=True)
class Predicted:
    """A step of the given batch, or of the largest that fits."""

    step: StepMemory | None
    memory_bytes: int | None
    largest: int | None

    def to_dict(self) -> dict[str, Any]:
        """Returns entries for the record that ``--json`` prints; only those whose option was given."""
        entries: dict[str, Any] = {}
        if self.step is not None:
            entries["step_memory"] = self.step.to_dict()
        if self.memory_bytes is not None:
            entries["largest_batch"] = {"memory_bytes": self.memory_bytes, "batch": self.largest}
        return entries


def predict(options: StepOptions, traced: Trace) -> Predicted:
    """Predicts the step of the given batch, or of the largest that fits; other batches are traced anew."""
    optimizer, largest = options.optimizer or "sgd", None
    if options.memory_bytes is not None:
        largest = largest_batch(traced, memory_bytes=options.memory_bytes, optimizer=optimizer)
    batch = largest or None if options.batch is None else options.batch
    step = None
    if batch is not None:
        step = step_memory(traced, batch=batch, optimizer=optimizer)
    return Predicted(step, options.memory_bytes, largest)


def print_step(predicted: Predicted) -> None:
    """Prints the peak of the step and its parts, then the largest batch that fits."""
    console = SafeConsole()
    step = predicted.step
    if step is not None:
        least = "at least " if step.lower_bound else ""
        images = plural(step.batch, "image")
        title = f"Training step of {images} on a CPU, {NAMES[step.optimizer]}"
        console.print(f"\n{title}: {least}{size(step.peak_bytes)}", style="bold")
        console.print(_table(step))
        console.print(
            f"Predicted peak, {_moment(step)}; what the process itself holds comes on top.", style="dim"
        )
        if step.unsaved_ops:
            console.print(f"Not known what they keep for backward: {', '.join(step.unsaved_ops)}.")
    if predicted.memory_bytes is not None:
        largest = predicted.largest or "none, since a single image does not fit"
        console.print(f"\nLargest batch in {size(predicted.memory_bytes)} on a CPU: {largest}", style="bold")


def _moment(step: StepMemory) -> str:
    if step.peak_phase == "step":
        return "while the optimizer steps"
    return f"{step.peak_phase} at {step.peak_at or 'the whole module'}"


def _table(step: StepMemory) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    for name, held, remark in _parts(step):
        table.add_row(name, size(held), remark)
    return table


def _parts(step: StepMemory) -> Iterator[tuple[str, int, str]]:
    """Yields name, bytes and a remark of each part; the bytes add up to the peak."""
    yield "parameters", step.param_bytes, ""
    yield "buffers", step.buffer_bytes, ""
    yield "inputs", step.input_bytes, ""
    yield "optimizer state", step.optimizer_bytes, ""
    yield "gradients", step.peak_gradient_bytes, f"of parameters, of {size(step.gradient_bytes)} in the end"
    yield "saved for backward", step.peak_saved_bytes, f"of {size(step.saved_bytes)} after forward"
    yield "maps in flight", step.peak_transient_bytes, "with their gradients"
    yield (
        "workspace",
        step.peak_workspace_bytes,
        step.workspace_note or f"of kernels for {step.instruction_set}",
    )

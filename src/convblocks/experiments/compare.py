"""The main job: list, match, train with paired seeds, time, judge. A killed compare goes on where it was."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from convblocks.blocks import BlockSpec
from convblocks.data import Dataset, load_dataset
from convblocks.data.embedded import ALIASES, EMBEDDED
from convblocks.data.memory import available_bytes
from convblocks.engine.local_processes import Job, leave_if_imported, require_script, run_all
from convblocks.engine.trial import Trainer
from convblocks.errors import OptionError, RunError, Setting
from convblocks.experiments.arguments import call_as_text
from convblocks.experiments.design import BYTES, describe, time_designs
from convblocks.experiments.implementations import Frame, Implementation
from convblocks.experiments.matching import Matched, least_budgets, solve
from convblocks.experiments.plan import default_folder, going_on, plan, resume
from convblocks.formatting import plural, size
from convblocks.measure import threads_of
from convblocks.networks import network_cost
from convblocks.records import Design, Epoch, Run, Study, Task
from convblocks.report.html import render_html
from convblocks.report.markdown import render_markdown
from convblocks.runs.shared_examples import shared
from convblocks.runs.store import ANOTHER, RunFolder
from convblocks.statistics.summary import summarise
from convblocks.text import shown
from convblocks.training import Placement, Recipe
from convblocks.training.loop import CHECKPOINT_EVERY_S


class Watcher:
    """What a caller may want to see while a compare runs; override what you need."""

    def on_reading(self, name: str) -> None:
        """The data are read next, and the designs are then matched, before training begins."""

    def on_start(self, study: Study, designs: Sequence[Design], done: Sequence[Run]) -> None:
        """Everything is listed and matched; training begins."""

    def on_epoch(self, design: Design, seed: int, epoch: Epoch) -> None:
        """A run has finished one more epoch."""

    def on_run(self, design: Design, run: Run) -> None:
        """A run is done and on disk."""

    def on_notice(self, text: str) -> None:
        """Something on disk could not be used and is made again; by default a warning."""
        warnings.warn(text, RuntimeWarning, stacklevel=2)


def compare(
    data: object = None,
    *,
    depths: int | Sequence[int] = (8, 56),
    families: str | BlockSpec | Sequence[str | BlockSpec] = ("simple", "residual", "bottleneck"),
    block_depths: int | Sequence[int] = (1, 2, 3, 4, 6),
    groups: int | Sequence[int] = (1,),
    stages: int | None = None,
    match: str = "macs",
    budget: int | None = None,
    seeds: int = 3,
    recipe: Recipe | None = None,
    out: str | Path | None = None,
    image_size: int | Sequence[int] | None = None,
    split_seed: int = 0,
    skip_broken: bool = False,
    layout: str | None = None,
    task: Task | None = None,
    head: str | None = None,
    workers: int | None = None,
    threads: int | None = None,
    device: str = "cpu",
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
    watcher: Watcher | None = None,
    command: str | None = None,
) -> RunFolder:
    """Compare implementations of stacks of `depths` convolution layers on `data`; returns the run folder.

    data: as in load_dataset: a path, a name, arrays (x, y), a torch Dataset or a table of paths; None for the
    embedded digits, or canvases to segment; or a convblocks Dataset, which image_size, split_seed, skip_broken, layout
    and task come too late for. task: "classify" or "segment", which the data must be for; to segment,
    each design is the encoder of a U-Net, whose decoder is the same but for its widths, or with head="dilated" the
    backbone of a DeepLab, whose last stages dilate instead of striding.
    families: names, or with options as text or value: "residual(attention=eca)", BlockSpec("wide", kernels="B(3,1,3)").
    Where options fix the block depth, block_depths do not apply.
    budget: in units of `match` (MACs forward for one example, parameters, or
    activation elements); None for what the first implementation costs at 32 channels.
    out: the run folder; by default one that the question itself names, so that asking again goes on.
    A script calls it under ``if __name__ == "__main__":``, since the workers import the script.
    On KeyboardInterrupt the folder keeps a valid report of what is finished, and the interrupt goes on.
    Raises ConvblocksError for anything the caller can fix.
    """
    command = command or call_as_text(compare, locals())  # before anything else is local
    leave_if_imported()
    require_script()
    watcher, recipe = watcher or Watcher(), Recipe() if recipe is None else recipe
    if not isinstance(recipe, Recipe):
        raise OptionError("recipe", recipe, "expected a convblocks.Recipe, e.g. Recipe(epochs=5)")
    placement = Placement(device)
    if out is not None:
        if not os.fspath(out):
            raise OptionError("out", out, "expected a folder's name")
        _require_place(RunFolder(out), data)  # before the data are read, which may take minutes
    watcher.on_reading(shown(data) if isinstance(data, str | Path) else "the data")
    dataset = _dataset(
        data, image_size=image_size, split_seed=split_seed, skip_broken=skip_broken, layout=layout, task=task
    )
    study, frame, found = plan(
        dataset,
        depths=depths,
        families=families,
        block_depths=block_depths,
        groups=groups,
        stages=stages,
        match=match,
        budget=budget,
        seeds=seeds,
        recipe=recipe,
        workers=workers,
        threads=threads,
        placement=placement,
        command=command,
        head=head,
    )
    folder = default_folder(study) if out is None else RunFolder(out)
    _require_place(folder, data)
    going_on(folder, study)
    with threads_of(study.threads):  # the gradients at the start are taken here and must repeat too
        # from the question, never from the folder: a stranger's would name code to import and files to write
        designs = _designs(study, frame, found, dataset, placement)
        with folder.locked():
            study = resume(folder, study, designs)
            _train_and_judge(folder, study, designs, dataset, recipe, placement, checkpoint_every_s, watcher)
    return folder


def _dataset(data: object, **options: Any) -> Dataset:
    """`data`, loaded with the options unless it is loaded already."""
    if not isinstance(data, Dataset):
        return load_dataset(data, **options)
    for name, value in options.items():
        if value:  # the defaults are None, 0 and False
            raise OptionError(name, value, "comes too late for a Dataset; give it to load_dataset")
    return data


def _require_place(folder: RunFolder, data: object) -> None:
    """Raise RunError for a place where no run folder can be: in use by others, or in a folder of data."""
    if isinstance(data, Dataset):
        data = data.card.loading.source if data.card.loading else None
    # isdir takes any text, too long or empty ones too, which are for load_dataset to refuse
    if isinstance(data, str | os.PathLike) and str(data) not in (*EMBEDDED, *ALIASES) and os.path.isdir(data):  # noqa: PTH112
        _require_outside(folder, Path(data))
    folder.check()


def _require_outside(folder: RunFolder, source: Path) -> None:
    """Raise RunError for a run folder inside a folder of data, where it would be taken for a class."""
    if folder.path.resolve().is_relative_to(source.resolve()):
        raise RunError(f"{folder.path} cannot be a run folder: it lies in the data, {source}", *ANOTHER)


def _designs(
    study: Study, frame: Frame, found: Sequence[Implementation], dataset: Dataset, placement: Placement
) -> list[Design]:
    matched = [solve(frame, implementation, study.match, study.budget) for implementation in found]
    if all(m.problem for m in matched):
        raise OptionError("budget", study.budget, _out_of_reach(study, frame, matched))
    _require_memory(study, frame, [m for m in matched if not m.problem])
    return [describe(m, frame, dataset, placement) for m in matched]


def _out_of_reach(study: Study, frame: Frame, matched: Sequence[Matched]) -> str:
    least = least_budgets(frame, [m.implementation for m in matched], study.match)
    (name, smallest), *_, (last, largest) = [*least.items()] * 2
    if study.budget is None or study.budget >= smallest:
        return f"no design can meet it: {matched[0].problem}"
    others = "" if len(least) == 1 else f"; below {largest:,} some are left out, {last} first"
    return f"too small for any design; the smallest that works is {smallest:,}, for {name}{others}"


def _require_memory(study: Study, frame: Frame, matched: Sequence[Matched]) -> None:
    """Weights, gradients, momentum and a batch of activations, in each worker: the least that training takes."""
    batch = study.recipe["batch_size"]
    for m in matched:
        cost = network_cost(m.network, frame.size)  # of what is trained, not of what is deployed
        least_bytes = BYTES * (3 * cost.params + int(batch) * cost.activations) * study.workers
        available = available_bytes() if study.host.device == "cpu" else None
        if available is not None and least_bytes > available:
            budget = () if study.budget is None else (Setting("budget"), ", a smaller ")
            raise RunError(
                f"{m.implementation.name} with {'/'.join(map(str, m.widths))} channels takes over "
                f"{size(least_bytes)} to train in {plural(study.workers, 'worker')}, and {size(available)} are "
                "available: give a smaller ",
                *budget,
                Setting("batch_size"),
                ", or fewer ",
                Setting("workers"),
            )


def _train_and_judge(
    folder: RunFolder,
    study: Study,
    designs: list[Design],
    dataset: Dataset,
    recipe: Recipe,
    placement: Placement,
    checkpoint_every_s: float,
    watcher: Watcher,
) -> None:
    done = {(run.design, run.seed) for run in _with_weights(folder, watcher)}
    tasks = [
        (design, seed)
        for seed in study.seeds
        for design in sorted(
            designs, key=lambda d: -d.stack_depth
        )  # the slow ones first: no worker idles at the end
        if not design.problem and (design.name, seed) not in done
    ]
    watcher.on_start(study, designs, folder.runs())

    def on_report(task: tuple[Design, int], report: Epoch | str) -> None:
        if isinstance(report, str):
            watcher.on_notice(report)
        else:
            watcher.on_epoch(*task, report)

    try:
        if tasks:
            with shared(dataset, folder.examples) as examples:
                trainer = Trainer(examples, recipe, folder.path, placement, checkpoint_every_s)
                run_all(
                    Job(trainer, study.threads),
                    tasks,
                    workers=study.workers,
                    on_result=lambda task, run: watcher.on_run(task[0], run),
                    on_report=on_report,
                )
        folder.drop_checkpoints()
        trained = [design for design in designs if not design.problem]
        if {latency.design for latency in folder.latencies()} != {design.name for design in trained}:
            folder.save_latencies(time_designs(trained, dataset, study.threads, placement))
    finally:
        write_report(folder)


def _with_weights(folder: RunFolder, watcher: Watcher) -> list[Run]:
    """The runs whose weights are as recorded; the others are taken out of the folder and so trained again."""
    whole: list[Run] = []
    lost: list[Run] = []
    for run in folder.runs():
        (lost if folder.read_weights(run) is None else whole).append(run)
    for run in lost:
        path = folder.weights(run.design, run.seed)
        watcher.on_notice(
            f"{path} is missing or not the file that the record names: the run is trained again"
        )
    if lost:
        folder.drop_runs(lost)
    return whole


def write_report(folder: RunFolder) -> Path:
    """Judge what the folder holds and write its summary, report.md and report.html; returns the latter's path.

    Raises RunError if it holds no study.
    """
    study = folder.require_study()
    designs, runs = folder.designs(), folder.runs()
    summary = summarise(study, designs, runs, folder.latencies())
    folder.save_summary(summary)
    folder.save_page("report.md", render_markdown(study, designs, summary))
    return folder.save_page("report.html", render_html(study, designs, runs, summary))

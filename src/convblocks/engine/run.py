"""Trains what a study compares: the runs that its folder lacks, then the latencies and the report."""

from collections.abc import Sequence

from convblocks.data import Dataset
from convblocks.engine.design_latency import time_designs
from convblocks.engine.local_processes import Job, run_all
from convblocks.engine.trial import Trainer
from convblocks.engine.watcher import Watcher
from convblocks.records import Design, Epoch, Run, Study
from convblocks.runs.shared_examples import shared
from convblocks.runs.store import RunFolder
from convblocks.statistics.answer import write_report
from convblocks.training import Placement, Recipe
from convblocks.training.loop import CHECKPOINT_EVERY_S


def train_designs(
    folder: RunFolder,
    study: Study,
    designs: Sequence[Design],
    dataset: Dataset,
    *,
    placement: Placement,
    watcher: Watcher,
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
) -> None:
    """Trains each design with each seed of the study, times the designs and writes the report.

    Runs that the folder has are kept; those whose weights are missing or damaged are trained again.
    """
    recipe = Recipe(**study.recipe)  # type: ignore[arg-type]  # which it checks itself
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

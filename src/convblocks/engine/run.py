"""Joins a proposer, an executor and a run folder: trains what is proposed, times the designs, writes the report."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from convblocks.data import Dataset
from convblocks.engine.contracts import EpochEnded, Executor, Notice, Proposer, RunEnded, StopCheck, Trial
from convblocks.engine.design_latency import time_designs
from convblocks.engine.local_processes import train_locally
from convblocks.engine.training_memory import require_training_memory
from convblocks.engine.watcher import Watcher
from convblocks.errors import RunError, Setting
from convblocks.networks import Network
from convblocks.records import Design, Run, Study
from convblocks.runs.store import RunFolder
from convblocks.statistics.answer import write_report
from convblocks.text import listed
from convblocks.training import Placement
from convblocks.training.loop import CHECKPOINT_EVERY_S


def run_study(
    proposer: Proposer,
    folder: RunFolder,
    dataset: Dataset,
    *,
    placement: Placement,
    watcher: Watcher,
    executor: AbstractContextManager[Executor] | None = None,
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
) -> None:
    """Trains what the proposer proposes for the folder's study, in worker processes of this machine or by `executor`.

    Runs that the folder has are kept; those whose weights are missing or damaged are trained again. The report is
    written whatever happens. The folder must be locked.
    """
    study = folder.require_study()
    runs = _drop_damaged(folder, watcher)
    watcher.on_start(study, folder.designs(), runs)
    check_design = None
    if executor is None:
        executor = train_locally(folder, dataset, placement, checkpoint_every_s)
        check_design = partial(_require_memory, study)
    try:
        run_trials(proposer, executor, folder, watcher, check_design)
        folder.drop_checkpoints()
        finished = {run.design for run in folder.runs() if not run.stopped}
        trained = [design for design in folder.designs() if design.name in finished]
        if {latency.design for latency in folder.latencies()} != finished:
            folder.save_latencies(time_designs(trained, dataset, study.threads, placement))
    finally:
        write_report(folder)


def run_trials(
    proposer: Proposer,
    executor: AbstractContextManager[Executor],
    folder: RunFolder,
    watcher: Watcher,
    check_design: Callable[[Design], None] | None = None,
) -> None:
    """Trains what is proposed and the folder lacks, until nothing is proposed and no trial is under way.

    Args:
        proposer: chooses the trials.
        executor: trains them; it is entered only where there is something to train.
        folder: takes the designs; the executor adds the runs. It has a study.
        watcher: hears of each epoch and run.
        check_design: takes each design that the folder lacks, and raises an error for one that cannot be trained.

    Raises:
        RunError: for a trial that the folder cannot take, and for what the executor raises.
    """
    trials = _NewTrials(proposer, folder, check_design)
    trial = trials.next()
    if trial is None:
        return
    with executor as pool:
        while trial is not None:
            pool.submit(trial)
            trial = trials.next() if pool.free else None
        for event in pool.events():
            match event:
                case EpochEnded(trial, epoch):
                    watcher.on_epoch(trial.design, trial.seed, epoch)
                case Notice(_, text):
                    watcher.on_notice(text)
                case StopCheck(trial, epochs):
                    if proposer.should_stop(trial, epochs):
                        pool.cancel(trial)
                case RunEnded(trial, run):
                    watcher.on_run(trial.design, run)
                    trials.done(trial, run)
                    while pool.free and (following := trials.next()) is not None:
                        pool.submit(following)


MOST_ANSWERS = 1000
"""Answers from the folder for one trial, before a proposer counts as one that proposes it for ever."""


class _NewTrials:
    """Trials that are proposed and not yet recorded; those that are recorded are answered from the folder."""

    def __init__(
        self, proposer: Proposer, folder: RunFolder, check_design: Callable[[Design], None] | None = None
    ):
        self.proposer, self.folder, self.check_design = proposer, folder, check_design
        self.seeds = folder.require_study().seeds
        self.digests = {design.name: design.digest for design in folder.designs()}
        self.runs: dict[tuple[str, int], Run | None] = {(run.design, run.seed): run for run in folder.runs()}

    def next(self) -> Trial | None:
        """Returns the next one, its design in the folder; None if the proposer has none, or one that is under way.

        Raises:
            RunError: for a trial that the folder cannot take, and for one that is proposed for ever.
        """
        answers: Counter[tuple[str, int]] = Counter()
        while (trial := self.proposer.propose()) is not None:
            self._check(trial)
            key = trial.design.name, trial.seed
            if key not in self.runs:
                self._add(trial.design)
                self.runs[key] = None
                return trial
            run = self.runs[key]
            if run is None:
                return None
            answers[key] += 1
            if answers[key] > MOST_ANSWERS:
                raise RunError(
                    f"the proposer gave {key[0]} with seed {key[1]} {MOST_ANSWERS} times after its result, and nothing "
                    "new; return None from propose() to end the search"
                )
            self.proposer.on_run(trial, run)
        return None

    def done(self, trial: Trial, run: Run) -> None:
        """Tells the proposer of a result."""
        self.runs[trial.design.name, trial.seed] = run
        self.proposer.on_run(trial, run)

    def _check(self, trial: Trial) -> None:
        """Raises RunError for a seed that the study lacks, and for another network than the folder's of that name."""
        name, digest = trial.design.name, trial.design.digest
        if type(trial.seed) is not int or trial.seed not in self.seeds:  # True is no seed in a record
            raise RunError(
                f"{name} is proposed with seed {trial.seed}, and the study's are {listed(self.seeds)}; propose one of "
                "them, or raise ",
                Setting("seeds"),
            )
        if self.digests.get(name, digest) != digest:
            raise RunError(
                f"{self.folder.path} has another network called {name}; give each network a name of its own"
            )

    def _add(self, design: Design) -> None:
        """Adds a design to the folder, unless it has it."""
        if design.name not in self.digests:
            if self.check_design:
                self.check_design(design)
            self.folder.add_design(design)
            self.digests[design.name] = design.digest


def _require_memory(study: Study, design: Design) -> None:
    require_training_memory(Network.from_dict(design.network), design.name, study)


def _drop_damaged(folder: RunFolder, watcher: Watcher) -> list[Run]:
    """Returns the runs whose weights are as recorded; the others are dropped, so that they are trained again."""
    whole: list[Run] = []
    damaged: list[Run] = []
    for run in folder.runs():
        (damaged if folder.read_weights(run) is None else whole).append(run)
    for run in damaged:
        path = folder.weights(run.design, run.seed)
        watcher.on_notice(
            f"{path} is missing or not the file that the record names: the run is trained again"
        )
    if damaged:
        folder.drop_runs(damaged)
    return whole

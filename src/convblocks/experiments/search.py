"""search: trains the networks that a proposer chooses, in the folder, the workers and the report of a compare."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from convblocks.checks import whole
from convblocks.data import Dataset
from convblocks.engine.caller_script import leave_if_imported, require_script
from convblocks.engine.contracts import Executor, Proposer
from convblocks.engine.run import run_study
from convblocks.engine.watcher import Watcher
from convblocks.experiments.plan import shares
from convblocks.experiments.resume import going_on
from convblocks.measure import describe_host, threads_of
from convblocks.records import Machine, Recipe, Study
from convblocks.records.question import MOST_SEEDS
from convblocks.runs.store import RunFolder
from convblocks.text import escaped
from convblocks.training import Placement
from convblocks.training.loop import CHECKPOINT_EVERY_S


def search(
    dataset: Dataset,
    proposer: Proposer,
    *,
    out: str | Path,
    recipe: Recipe | None = None,
    seeds: int = 1,
    machine: Machine | None = None,
    executor: AbstractContextManager[Executor] | None = None,
    watcher: Watcher | None = None,
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
) -> RunFolder:
    """Trains the networks that a proposer chooses, and writes the report.

    The same call again goes on where it was stopped: the proposer is asked from the start, and its trials that the
    folder has are answered from there. A script calls it under ``if __name__ == "__main__":``.

    Args:
        dataset: the examples, as load_dataset gives them.
        proposer: chooses designs and seeds, is told each result, and may end runs early.
        out: the run folder.
        recipe: how each design is trained.
        seeds: the seeds that the proposer may give are those below this number.
        machine: where it runs.
        executor: trains what is proposed and writes its runs into `out`; it is entered once something is to be trained.
            By default worker processes of this machine train.
        watcher: is told of each epoch and run.
        checkpoint_every_s: seconds between checkpoints of a training.

    Returns:
        The run folder, which ``convblocks report`` and ``convblocks.load`` read.

    Raises:
        ConvblocksError: for anything the caller can fix.
    """
    leave_if_imported()
    require_script()
    machine, folder = machine or Machine(), RunFolder(out)
    placement = Placement(machine.device)
    workers, threads = shares(machine, placement)
    study = Study(
        name="",  # that of its folder, which going_on gives
        command=escaped(
            f"convblocks.search({dataset.card.name!r}, {type(proposer).__name__}(...), out={str(out)!r})"
        ),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        data=dataset.card,
        depths=(),
        stages=0,
        proposer=type(proposer).__name__,
        match="none",
        budget=None,
        seeds=tuple(range(whole("seeds", seeds, at_least=1, at_most=MOST_SEEDS))),
        recipe=msgspec.to_builtins(recipe or Recipe()),
        threads=threads,
        workers=workers,
        host=describe_host(placement.device),
    )
    folder.check()
    with threads_of(threads), folder.locked():
        folder.save_study(going_on(folder, study))
        run_study(
            proposer,
            folder,
            dataset,
            placement=placement,
            watcher=watcher or Watcher(),
            executor=executor,
            checkpoint_every_s=checkpoint_every_s,
        )
    return folder

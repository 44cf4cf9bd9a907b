"""Worker processes that train: one run at a time each, gone as soon as the parent is."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from typing import Any, Self

from convblocks.data import Dataset
from convblocks.engine.caller_script import UNGUARDED, UNGUARDED_STATUS
from convblocks.engine.contracts import EpochEnded, Event, Executor, Notice, RunEnded, StopCheck, Trial
from convblocks.engine.trial import Trainer
from convblocks.engine.worker_process import WORKER_ENVIRONMENT, Work, work_on_trials
from convblocks.errors import RunError
from convblocks.records import Epoch, Run
from convblocks.runs.shared_examples import shared
from convblocks.runs.store import RunFolder
from convblocks.training import Placement, Recipe
from convblocks.training.loop import CHECKPOINT_EVERY_S

STOPS = (signal.SIGINT, signal.SIGTERM)

DIED = "a worker process died, perhaps for want of memory; run the same command to go on, with fewer workers"
CRASHED = (
    "a worker process crashed ({}) in compiled code, such as a kernel of torch's; what is finished is kept, and the "
    "same command goes on. If it crashes again, leave out what was running, or try another version of torch"
)
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


class LocalProcesses(Executor):
    """Worker processes of this machine: one trial at a time each, killed on leaving and gone as soon as the parent is.

    Args:
        work: trains a trial; called in the workers, so that it and its trials must be picklable.
        workers: number of processes at most.
        threads: threads of each.
    """

    def __init__(self, work: Work, *, workers: int, threads: int):
        self._work, self._most, self._threads = work, workers, threads
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()
        self._workers.clear()

    @property
    def free(self) -> int:
        """Number of trials that can start now."""
        return self._most - sum(worker.trial is not None for worker in self._workers)

    def submit(self, trial: Trial) -> None:
        """Gives a trial to a worker that has none, or to a new one."""
        assert self.free
        worker = next((each for each in self._workers if each.trial is None), None)
        if worker is None:
            with _environment(self._threads), _interrupts_held():
                worker = _Worker(self._work, self._threads)
                self._workers.append(worker)
        worker.begin(trial)

    def events(self) -> Iterator[Event]:
        """Yields what the workers send. Raises what a trial raised, and RunError where a worker has died."""
        while busy := [worker for worker in self._workers if worker.trial is not None]:
            ready = wait([end for worker in busy for end in (worker.connection, worker.process.sentinel)])
            received = [
                (worker, worker.receive())
                for worker in busy
                if worker.connection in ready or worker.process.sentinel in ready
            ]
            # what has ended first: an error ends the loop
            for worker, message in sorted(received, key=lambda each: isinstance(each[1], BaseException)):
                if isinstance(message, BaseException):
                    raise message
                yield message
                if isinstance(message, StopCheck):
                    worker.answer()

    def cancel(self, trial: Trial) -> None:
        """Ends a trial at its next StopCheck, or at the one that is being handled."""
        for worker in self._workers:
            if worker.trial == trial:
                worker.cancelled = True


class _Worker:
    """A worker process, as its parent holds it: `trial` is what it works at."""

    def __init__(self, work: Work, threads: int):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=work_on_trials, args=(work, theirs, threads))
        self.process.start()
        theirs.close()  # so that this end reads an end of file when the worker dies
        self.trial: Trial | None = None
        self.cancelled = False

    def begin(self, trial: Trial) -> None:
        self.trial, self.cancelled = trial, False
        self._send(trial)

    def answer(self) -> None:
        """Lets a trial that waits go on, or end."""
        self._send(self.cancelled)

    def receive(self) -> Event | BaseException:
        """Returns what the worker sent, or what it died of."""
        trial = self.trial
        assert trial is not None
        try:
            content = self.connection.recv() if self.connection.poll() else None
        except (EOFError, OSError):
            content = None
        if content is None:
            self.process.join()
            return RunError(_cause_of_death(self.process.exitcode))
        if isinstance(content, Run | BaseException):
            self.trial = None
        match content:
            case Epoch():
                return EpochEnded(trial, content)
            case str():
                return Notice(trial, content)
            case Run():
                return RunEnded(trial, content)
            case tuple():
                return StopCheck(trial, content)
        assert isinstance(content, BaseException)
        return content

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        self.process.close()
        self.connection.close()

    def _send(self, content: Any) -> None:
        with suppress(OSError):  # that it is dead is what `receive` says
            self.connection.send(content)


def _cause_of_death(status: int | None) -> str:
    """Returns what a worker's exit status says; that of one ended by a signal is its number, negative."""
    if status == UNGUARDED_STATUS:
        return UNGUARDED
    crash = next((each for each in CRASHES if -each == status), None)
    return CRASHED.format(crash.name) if crash else DIED


@contextmanager
def train_locally(
    folder: RunFolder, dataset: Dataset, placement: Placement, checkpoint_every_s: float = CHECKPOINT_EVERY_S
) -> Iterator[LocalProcesses]:
    """Trains trials of the folder's study in worker processes, which map one copy of the examples."""
    study = folder.require_study()
    recipe = Recipe(**study.recipe)  # type: ignore[arg-type]  # which it checks itself
    with shared(dataset, folder.examples) as examples:
        trainer = Trainer(examples, recipe, folder.path, placement, checkpoint_every_s)
        with LocalProcesses(trainer, workers=study.workers, threads=study.threads) as pool:
            yield pool


@contextmanager
def _environment(threads: int) -> Iterator[None]:
    wanted = {**WORKER_ENVIRONMENT, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Puts off Ctrl-C and SIGTERM, which would leave a worker half started: neither with a trial nor killed.

    A process started meanwhile inherits the mask: no Ctrl-C reaches it, not even before it could ignore it.
    """
    came: list[int] = []
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    handlers = {}
    # the mask is this thread's alone: where another takes the signal, Python runs its handler in the main thread
    if threading.current_thread() is threading.main_thread():
        handled = [n for n in STOPS if signal.getsignal(n) not in (None, signal.SIG_IGN)]
        handlers = {n: signal.signal(n, lambda number, _: came.append(number)) for n in handled}
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for late in came:
            signal.raise_signal(late)

"""Worker processes that train: one run at a time each, gone as soon as the parent is."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any, Generic, TypeVar

from convblocks.errors import RunError
from convblocks.text import shown

Task = TypeVar("Task")
Result = TypeVar("Result")

LISTEN_S = 0.2
STOPS = (signal.SIGINT, signal.SIGTERM)

# Read by torch when a worker starts. Huge pages save the page faults of buffers that come and go each step.
# PYTHONSAFEPATH keeps the working directory, which holds data, out of what a worker imports as it starts.
WORKER_ENVIRONMENT = {
    "THP_MEM_ALLOC_ENABLE": "1",
    "OMP_PROC_BIND": "false",
    "CONVBLOCKS_WORKER": "1",
    "PYTHONSAFEPATH": "1",
}

DIED = "a worker process died, perhaps for want of memory; run the same command to go on, with fewer workers"
CRASHED = (
    "a worker process crashed ({}) in compiled code, such as a kernel of torch's; what is finished is kept, and the "
    "same command goes on. If it crashes again, leave out what was running, or try another version of torch"
)
CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)
UNGUARDED = (
    "compare was called without a guard, so that each worker process, which imports the script, would compare as well; "
    'put the call under: if __name__ == "__main__":'
)
NO_FILE = (
    "compare was called from a script that is no file, {}, and its worker processes have to import the script: save it "
    "as a .py file and run that"
)
UNGUARDED_STATUS = 79  # a worker's exit status, unlike any of Python's own


@dataclass(frozen=True)
class Job(Generic[Task, Result]):
    """The job of every worker: a function of a task and of a callable that reports progress."""

    work: Callable[[Task, Callable[[Any], None]], Result]
    threads: int


_job: Job[Any, Any]
_reports: "Queue[Any]"


def leave_if_imported() -> None:
    """End a worker that comes here while it imports the caller's script: it would start workers without end."""
    importing = getattr(
        multiprocessing.current_process(), "_inheriting", False
    )  # multiprocessing's own check
    if importing:
        if "CONVBLOCKS_WORKER" in os.environ:
            sys.exit(UNGUARDED_STATUS)  # without a word: the parent says it once
        raise RunError(UNGUARDED)


def require_script() -> None:
    """Raise RunError where workers could not import the caller's script: it came through standard input or a pipe.

    An interactive session and ``python -c`` have no script, and workers need none.
    """
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is not None and getattr(main, "__spec__", None) is None and not Path(file).is_file():
        raise RunError(NO_FILE.format("standard input" if file == "<stdin>" else shown(file)))


def run_all(
    job: Job[Task, Result],
    tasks: Sequence[Task],
    *,
    workers: int,
    on_result: Callable[[Task, Result], None],
    on_report: Callable[[Task, Any], None] = lambda task, report: None,
) -> None:
    """Work through the tasks in order, `workers` at a time; results are handed over as they come.

    On any exception, Ctrl-C included, the workers are killed at once: a task is done or it is not.
    Raises RunError if a worker dies, e.g. for want of memory, or if the caller's script has no guard.
    """
    if not tasks:
        return
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    ours: set[BaseProcess] = set()
    with _environment(job.threads):
        pool = ProcessPoolExecutor(min(workers, len(tasks)), context, _start_worker, (job, reports))
        try:
            pending = _submit(pool, tasks, ours)
            while pending:
                done, _ = wait(pending, LISTEN_S, FIRST_COMPLETED)
                while not reports.empty():
                    position, report = reports.get()
                    on_report(tasks[position], report)
                # what has finished first: another's error ends the loop
                for future in sorted(done, key=lambda each: each.exception() is not None):
                    on_result(pending.pop(future), future.result())
        except BrokenProcessPool:
            pool.shutdown()  # waits until the exit statuses are known
            raise RunError(_why({child.exitcode for child in ours})) from None
        finally:
            for child in ours:
                child.kill()
            pool.shutdown(cancel_futures=True)
            reports.close()


def _why(statuses: set[int | None]) -> str:
    """Describes the exit statuses of the workers; that of one ended by a signal is its number, negative."""
    if UNGUARDED_STATUS in statuses:
        return UNGUARDED
    crash = next((each for each in CRASHES if -each in statuses), None)
    return CRASHED.format(crash.name) if crash else DIED


def _submit(
    pool: ProcessPoolExecutor, tasks: Sequence[Task], ours: set[BaseProcess]
) -> dict[Future[Any], Task]:
    """Queue the tasks, which starts the workers, and note those in `ours`."""
    others = set(multiprocessing.active_children())  # the caller's own, which are not ours to kill
    pending = {}
    with _interrupts_held():
        for position, task in enumerate(tasks):
            pending[pool.submit(_do, position, task)] = task
            ours |= set(multiprocessing.active_children()) - others
    return pending


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
    """Put off Ctrl-C and SIGTERM, which would leave a worker half started: neither told what to do nor killed.

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


def _start_worker(job: Job[Any, Any], reports: "Queue[Any]") -> None:
    global _job, _reports
    _job, _reports = job, reports
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    # by SIGTERM the pool ends the workers that are left when one has died
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    sys.stdout = sys.stderr  # what a user's block prints is no part of the parent's output
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(job.threads)


def _leave_with_parent() -> None:
    """A killed parent cannot tell its workers; they watch it instead."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _do(position: int, task: Any) -> Any:
    return _job.work(task, lambda report: _reports.put((position, report)))

"""Worker processes that train: one run at a time each, gone as soon as the parent is."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from typing import Any, Generic, TypeVar

from convblocks.errors import RunError

Task = TypeVar("Task")
Result = TypeVar("Result")

LISTEN_S = 0.2

# Read by torch when a worker starts. Huge pages save the page faults of buffers that come and go each step.
WORKER_ENVIRONMENT = {"THP_MEM_ALLOC_ENABLE": "1", "OMP_PROC_BIND": "false"}


@dataclass(frozen=True)
class Job(Generic[Task, Result]):
    """What every worker holds: a function of a task and of a callable that reports progress."""

    work: Callable[[Task, Callable[[Any], None]], Result]
    threads: int


_job: Job[Any, Any]
_reports: "Queue[Any]"


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
    Raises RunError if a worker dies, e.g. for want of memory.
    """
    if not tasks:
        return
    context = multiprocessing.get_context("spawn")
    reports = context.Queue()
    others = set(multiprocessing.active_children())  # the caller's own, which are not ours to kill
    with _environment(job.threads):
        pool = ProcessPoolExecutor(min(workers, len(tasks)), context, _start_worker, (job, reports))
        try:
            pending: dict[Future[Any], Task] = {pool.submit(_do, i, t): t for i, t in enumerate(tasks)}
            while pending:
                done, _ = wait(pending, LISTEN_S, FIRST_COMPLETED)
                while not reports.empty():
                    position, report = reports.get()
                    on_report(tasks[position], report)
                for future in done:
                    on_result(pending.pop(future), future.result())
        except BrokenProcessPool as error:
            raise RunError(
                "a worker process died, perhaps for want of memory; run the same command to go on, with fewer --workers"
            ) from error
        finally:
            for child in set(multiprocessing.active_children()) - others:
                child.kill()
            pool.shutdown(cancel_futures=True)
            reports.close()


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


def _start_worker(job: Job[Any, Any], reports: "Queue[Any]") -> None:
    global _job, _reports
    _job, _reports = job, reports
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
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

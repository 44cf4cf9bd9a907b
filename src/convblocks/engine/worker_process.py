"""The work of a worker process: trials, one after the other, until the parent ends."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

from convblocks.engine.contracts import Trial
from convblocks.engine.trial import Listener
from convblocks.records import Epoch, Run

Work = Callable[[Trial, Listener], Run]
"""Trains a trial."""

# Read by torch when a worker starts. Huge pages save the page faults of buffers that come and go each step.
# PYTHONSAFEPATH keeps the working directory, which holds data, out of what a worker imports as it starts.
WORKER_ENVIRONMENT = {
    "THP_MEM_ALLOC_ENABLE": "1",
    "OMP_PROC_BIND": "false",
    "CONVBLOCKS_WORKER": "1",
    "PYTHONSAFEPATH": "1",
}


class _Parent:
    """The parent process as a trial hears from it: a Listener."""

    def __init__(self, connection: Connection):
        self._connection = connection

    def on_epoch(self, epoch: Epoch) -> None:
        self._connection.send(epoch)

    def on_notice(self, text: str) -> None:
        self._connection.send(text)

    def should_stop(self, epochs: Sequence[Epoch]) -> bool:
        """Waits for the parent's answer."""
        self._connection.send(tuple(epochs))
        return bool(self._connection.recv())


def work_on_trials(work: Work, connection: Connection, threads: int) -> None:
    """Runs in a worker process: works on each trial that the parent sends and sends back its run or its error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    sys.stdout = sys.stderr  # what a user's block prints is no part of the parent's output
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    parent = _Parent(connection)
    while True:
        try:
            trial = connection.recv()
        except EOFError:
            return
        try:
            result: Run | BaseException = work(trial, parent)
        except BaseException as error:
            result = error
        with suppress(OSError):  # where the parent has died
            connection.send(result)


def _leave_with_parent() -> None:
    """Ends the worker with its parent, which cannot tell its workers when it is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)

"""Locks on files: the one module that needs `fcntl`, which Windows lacks."""

from typing import BinaryIO

from convblocks.errors import RunError

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]


def lock(file: BinaryIO, *, wait: bool = True) -> None:
    """Locks an open file against other processes until it is closed; the system does that for a process that ends.

    Raises:
        OSError: if another process has locked it and `wait` is false.
        RunError: on a system without such locks.
    """
    if fcntl is None:
        raise RunError(
            "run folders are written under a lock of fcntl, which this system lacks; use Linux or macOS"
        )
    fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))

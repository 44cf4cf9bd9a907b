"""Refuses data that cannot fit into memory before they are read: a clear sentence instead of a killed process."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from convblocks.errors import DataError, Part

# version 1 says "no limit" by the largest multiple of a page's size
UNLIMITED = 2**60
# of the available memory; the rest is for the networks
USABLE = 0.8
GIB = 2**30


def require_memory(needed_bytes: int, subject: str, *fix: Part) -> None:
    """Raises DataError if `needed_bytes` exceed 80 % of the memory that is available now."""
    available = available_bytes()
    if available is not None and needed_bytes > USABLE * available:
        raise DataError(
            f"{subject} would take {needed_bytes / GIB:.2f} GiB of memory, more than {USABLE:.0%} of the "
            f"{available / GIB:.2f} GiB available: ",
            *fix,
        )


def available_bytes() -> int | None:
    """Returns the bytes of memory that this process can still take, or None where the system does not say (Windows)."""
    bounds = [b for b in (_system_bytes(), _container_bytes()) if b is not None]
    return min(bounds, default=None)


def _system_bytes() -> int | None:
    # Linux: counts the file cache that can be given back, which sysconf does not
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    # macOS and BSD: all there is; better than no bound
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _container_bytes(
    root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> int | None:
    """Returns the bytes that the tightest limit of the process's control groups leaves; None without a limit.

    Limits nest: a group may take no more than each group that it lies in. Version 2 has one tree, at `root`, version
    1 one for memory below it. Within a container the path may be the host's, which is not there; its root then is.
    """
    try:
        lines = membership.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    # of the group in each tree
    paths = {"": "/", "memory": "/"}
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        paths.update({name: path for name in controllers.split(",") if name in paths})
    available = [
        *_available(root, paths[""], _version_2),
        *_available(root / "memory", paths["memory"], _version_1),
    ]
    return min(available, default=None)


def _available(tree: Path, path: str, read: Callable[[Path], int]) -> Iterator[int]:
    """Yields the bytes that each group on the way from the tree's root to `path` leaves, where it has a limit."""
    within = Path(path.strip("/"))
    for group in (within, *within.parents):
        with suppress(OSError, ValueError, KeyError):
            yield max(0, read(tree / group))


def _version_2(group: Path) -> int:
    # ValueError for "max": no limit
    limit = int((group / "memory.max").read_text("ascii"))
    return limit - _usage(group)["anon"]


def _version_1(group: Path) -> int:
    limit, usage = int((group / "memory.limit_in_bytes").read_text("ascii")), _usage(group)
    # the tightest of the groups around it, also those that a container does not see
    limit = min(limit, usage.get("hierarchical_memory_limit", limit))
    if limit >= UNLIMITED:
        raise ValueError("no limit")
    return limit - usage["total_rss"]


def _usage(group: Path) -> dict[str, int]:
    """Returns the bytes of memory of a group and those within, by kind; all but the cache cannot be taken back."""
    lines = (group / "memory.stat").read_text("ascii").splitlines()
    return {kind: int(size) for kind, size in (line.split() for line in lines)}

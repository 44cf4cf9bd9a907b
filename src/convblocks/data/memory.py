"""Refuse data that cannot fit before reading it: a clear sentence instead of a killed process."""

import os
from pathlib import Path

from convblocks.errors import DataError, Part

USABLE = 0.8  # of the available memory; the rest is for the networks
GIB = 2**30


def require_memory(needed_bytes: int, what: str, *mend: Part) -> None:
    """Raise DataError if `needed_bytes` exceed 80 % of the memory that is available now."""
    available = available_bytes()
    if available is not None and needed_bytes > USABLE * available:
        raise DataError(
            f"{what} would take {needed_bytes / GIB:.2f} GiB of memory, more than {USABLE:.0%} of the "
            f"{available / GIB:.2f} GiB available: ",
            *mend,
        )


def available_bytes() -> int | None:
    """Memory this process can still take, or None where the system does not say (Windows)."""
    known = [b for b in (_system_bytes(), _container_bytes()) if b is not None]
    return min(known, default=None)


def _system_bytes() -> int | None:
    try:  # Linux: counts the file cache that can be given back, which sysconf does not
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    try:  # macOS and BSD: all there is; better than no bound
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _container_bytes(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What a container's own limit leaves (cgroup v2); None without a limit."""
    try:
        limit = int((root / "memory.max").read_text("ascii"))  # ValueError for "max": no limit
        stat = dict(line.split() for line in (root / "memory.stat").read_text("ascii").splitlines())
        return max(0, limit - int(stat["anon"]))  # the rest of its use is cache, which gives way
    except (OSError, ValueError, KeyError):
        return None

"""The machine and the versions that a figure came from."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from convblocks.records import Host

PACKAGES = ("convblocks", "torch", "numpy", "scikit-learn", "pillow")


def describe_host(device: str = "cpu") -> Host:
    """Returns processor, memory, system and versions; `device` is where the modules run, e.g. cpu or cuda:1."""
    return Host(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if hasattr(os, "sysconf")
        else 0,
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        device=device if device == "cpu" else torch.cuda.get_device_name(device),
        # torch's own word has its build (+cpu, +cu130), which the installed package's may lack
        versions={name: version(name) for name in PACKAGES} | {"torch": str(torch.__version__)},
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or "unknown"
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"

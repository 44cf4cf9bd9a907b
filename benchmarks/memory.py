"""Predicted peak memory of a training step against the measured one, each net in a process of its own.

    python benchmarks/memory.py             # writes benchmarks/memory.json and prints it
    python benchmarks/memory.py NET         # measures one, such as resnet50@224x8 or residual-64@32x32, and prints it

Measured is the most that the process holds during a step (VmHWM), less what it holds before the net is built, with one
thread, SGD with momentum and cross entropy, after two steps of warm-up. glibc's malloc is set to give freed memory
back at once (MALLOC_MMAP_THRESHOLD_ and others); with its defaults it re-uses free memory badly, which is measured too.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

NETS = (
    "resnet18@224x16",
    "resnet50@224x8",
    "resnext50_32x4d@224x8",
    "convnext_tiny@224x8",
    "simple-64@32x64",
    "residual-64@32x64",
    "bottleneck-64@32x64",
)
EXACT = {
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MALLOC_TOP_PAD_": "0",
}


def built(name: str) -> Any:
    """Builds a torchvision network, or a stack of one of our families such as residual-64."""
    from convblocks import BlockSpec, Network, Stage, Stem, load_target

    family, _, depth = name.partition("-")
    if not depth:
        return load_target(f"torchvision:{name}").module
    each = {"simple": 4, "residual": 2, "bottleneck": 4}[family]
    stages = tuple(
        Stage(
            block=BlockSpec(family, depth=each),
            blocks=int(depth) // each // 2,
            out_channels=width,
            stride=stride,
        )
        for width, stride in ((32, 1), (64, 2))
    )
    return Network(in_channels=3, classes=10, stem=Stem(out_channels=32), stages=stages).build()


def parsed(net: str) -> tuple[str, int, int]:
    """Returns name, pixels and batch of NAME@PIXELSxBATCH."""
    name, _, sizes = net.partition("@")
    pixels, _, batch = sizes.partition("x")
    return name, int(pixels), int(batch)


def status_bytes(field: str) -> int:
    """Returns a line of this process's status, such as VmRSS or VmHWM."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


def measured_here(net: str) -> int:
    """Measures the peak of the step in this process, which must be new."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    def step(module: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> None:
        optimizer.zero_grad()
        F.cross_entropy(module(x), y).backward()
        optimizer.step()

    def momentum(module: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)

    name, pixels, batch = parsed(net)
    torch.set_num_threads(1)
    built("resnet18" if "-" not in name else "residual-8")  # imports what building needs
    tiny = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(2))
    x, y = torch.randn(2, 3, 8, 8), torch.zeros(2, dtype=torch.long)
    tiny(x)
    step(tiny, momentum(tiny), x, y)  # imports and starts what a step needs
    before = status_bytes("VmRSS")
    module = built(name).train()
    optimizer = momentum(module)
    x, y = torch.randn(batch, 3, pixels, pixels), torch.zeros(batch, dtype=torch.long)
    for i in range(4):
        if i == 2:
            Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from what is held now
        step(module, optimizer, x, y)
    return status_bytes("VmHWM") - before


def measured(net: str, malloc: dict[str, str]) -> int:
    """Measures a net in a process of its own."""
    command = [sys.executable, __file__, net]
    done = subprocess.run(command, env={**os.environ, **malloc}, check=True, capture_output=True, text=True)
    return int(done.stdout)


def compare(net: str) -> dict[str, object]:
    from convblocks.analysis import step_memory

    name, pixels, batch = parsed(net)
    predicted = step_memory(built(name), (3, pixels, pixels), batch=batch, optimizer="momentum")
    exact, default = measured(net, EXACT), measured(net, {})
    print(net, predicted.peak_bytes, exact, default, file=sys.stderr)
    return {
        "predicted": predicted.to_dict(),
        "measured_bytes": exact,
        "predicted_to_measured": round(predicted.peak_bytes / exact, 3),
        "measured_bytes_default_malloc": default,
        "predicted_to_measured_default_malloc": round(predicted.peak_bytes / default, 3),
    }


def main() -> None:
    from convblocks.measure import describe_host

    result = {
        "command": "python benchmarks/memory.py",
        "nets": {net: compare(net) for net in NETS},
        "optimizer": "SGD with momentum",
        "threads": 1,
        "malloc": EXACT,
        "host": msgspec.to_builtins(describe_host()),
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    Path(__file__).with_suffix(".json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(measured_here(sys.argv[1]))
    else:
        main()

"""A training step of a reversible stack beside the same stack stored, and beside a residual one.

    python benchmarks/reversible.py                # writes benchmarks/reversible.json and prints a table
    python benchmarks/reversible.py DEPTH          # measures that depth and puts it into the JSON beside the others
    python benchmarks/reversible.py KIND DEPTH     # peak bytes of one step in this process

Stacks of 4 to 256 3×3 convolutions, 32 channels, 32×32 pixels, batch 16, SGD with momentum, one thread, channels last.
"stored" is the reversible block run by ordinary autograd; "residual" is residual blocks of two convolutions. Saved are
the bytes that autograd's hooks see, each storage once, without parameters. Peak is what the process holds at most
during a step less what it holds before the stack is built (benchmarks/memory.py), each in a process of its own. Ratios
of time are medians over steps that take turns in one process; each turn is one step of each stack.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import torch
from memory import EXACT, status_bytes
from torch import nn

DEPTHS = (4, 16, 64, 256)
KINDS = ("reversible", "stored", "residual")
SHAPE = (16, 32, 32, 32)
TURNS = {4: 100, 16: 40, 64: 12, 256: 5}
RESULTS = Path(__file__).with_suffix(".json")


def stack(kind: str, depth: int) -> nn.Module:
    """Builds the stack, in channels last."""
    from convblocks import ResidualBlock, ReversibleBlock
    from convblocks.layers.reversible_chain import couple
    from convblocks.training import Placement

    class Stored(ReversibleBlock):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cat(couple(self.functions, *x.chunk(2, 1)), 1)

    torch.manual_seed(0)
    if kind == "residual":
        net: nn.Module = nn.Sequential(*[ResidualBlock(32, 32, depth=2) for _ in range(depth // 2)])
    else:
        net = {"reversible": ReversibleBlock, "stored": Stored}[kind](32, 32, depth=depth)
    return Placement(layout="channels_last").place(net, len(SHAPE))


def stepper(kind: str, depth: int) -> Callable[[], None]:
    """Returns a function that makes one training step."""
    torch.set_num_threads(1)
    net = stack(kind, depth)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    x = torch.randn(SHAPE).to(memory_format=torch.channels_last).requires_grad_()

    def step() -> None:
        x.grad = None
        optimizer.zero_grad()
        net(x).mean().backward()
        optimizer.step()

    return step


def saved_bytes(kind: str, depth: int) -> int:
    net = stack(kind, depth)
    held = {t.untyped_storage().data_ptr() for t in (*net.parameters(), *net.buffers())}
    saved: dict[int, torch.Tensor] = {}

    def pack(t: torch.Tensor) -> torch.Tensor:
        saved.setdefault(t.untyped_storage().data_ptr(), t)
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        net(torch.randn(SHAPE).to(memory_format=torch.channels_last).requires_grad_())
    return sum(t.untyped_storage().nbytes() for address, t in saved.items() if address not in held)


def peak_here(kind: str, depth: int) -> int:
    """Measures in this process, which must be new."""
    for each in KINDS:  # imports and starts what a step needs, for a tiny map
        net = stack(each, 4)
        net(torch.randn(2, 32, 4, 4).to(memory_format=torch.channels_last)).mean().backward()
        torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9).step()
    del net
    before = status_bytes("VmRSS")
    step = stepper(kind, depth)
    for i in range(3):
        if i == 1:
            Path("/proc/self/clear_refs").write_text("5")
        step()
    return status_bytes("VmHWM") - before


def peak(kind: str, depth: int) -> int:
    command = [sys.executable, __file__, kind, str(depth)]
    done = subprocess.run(command, env={**os.environ, **EXACT}, check=True, capture_output=True, text=True)
    return int(done.stdout)


def times(depth: int) -> dict[str, list[float]]:
    """Returns the seconds of each kind's steps, which take turns."""
    steps = {kind: stepper(kind, depth) for kind in KINDS}
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for turn in range(TURNS[depth] + 2):
        for kind, step in steps.items():
            start = time.perf_counter()
            step()
            if turn > 1:
                times[kind].append(time.perf_counter() - start)
    return times


def measured(depth: int) -> dict[str, object]:
    load = os.getloadavg()[0]
    peaks = {kind: peak(kind, depth) for kind in KINDS}
    seconds = times(depth)

    def ratio(other: str) -> float:
        pairs = zip(seconds["reversible"], seconds[other], strict=True)
        return round(statistics.median(ours / theirs for ours, theirs in pairs), 3)

    return {
        "saved_bytes": {kind: saved_bytes(kind, depth) for kind in KINDS},
        "peak_bytes": peaks,
        "peak_residual_to_reversible": round(peaks["residual"] / peaks["reversible"], 1),
        "peak_stored_to_reversible": round(peaks["stored"] / peaks["reversible"], 1),
        "median_step_ms": {k: round(1000 * statistics.median(s), 1) for k, s in seconds.items()},
        "step_time_reversible_to_stored": ratio("stored"),
        "step_time_reversible_to_residual": ratio("residual"),
        "turns": TURNS[depth],
        "load_average": [round(load, 1), round(os.getloadavg()[0], 1)],  # before and after
    }


def measure(depth: int) -> None:
    """Puts the row of that depth into the JSON."""
    from convblocks.measure import describe_host

    rows = json.loads(RESULTS.read_text())["depths"] if RESULTS.exists() else {}
    rows[str(depth)] = measured(depth)
    result = {
        "command": "python benchmarks/reversible.py",
        "depths": dict(sorted(rows.items(), key=lambda row: int(row[0]))),
        "map": SHAPE,
        "optimizer": "SGD with momentum",
        "threads": 1,
        "malloc_of_peaks": EXACT,
        "huge_pages": os.environ.get("THP_MEM_ALLOC_ENABLE", "0"),
        "host": msgspec.to_builtins(describe_host()),
    }
    RESULTS.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def main(depths: tuple[int, ...] = DEPTHS) -> None:
    for depth in depths:
        measure(depth)
    rows = json.loads(RESULTS.read_text())["depths"]
    print(
        "depth   saved MB: rev  stored  residual   peak MB: rev  stored  residual   time: /stored  /residual"
    )
    for depth, row in rows.items():
        saved, peaks = ([row[name][kind] / 1e6 for kind in KINDS] for name in ("saved_bytes", "peak_bytes"))
        print(
            f"{depth:>5}  {saved[0]:12.1f} {saved[1]:7.1f} {saved[2]:9.1f}  {peaks[0]:12.1f} {peaks[1]:7.1f} "
            f"{peaks[2]:9.1f}  {row['step_time_reversible_to_stored']:14} "
            f"{row['step_time_reversible_to_residual']:10}"
        )


if __name__ == "__main__":
    match sys.argv[1:]:
        case [kind, depth]:
            print(peak_here(kind, int(depth)))
        case [depth]:
            main((int(depth),))
        case _:
            main()

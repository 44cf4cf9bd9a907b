"""The time that the exact cost of random networks of known blocks takes, once their pairs have been traced.

    python benchmarks/space.py            # writes benchmarks/space.json and prints it

Four stages of any of 12 blocks, 1 to 8 of them, 16 widths. Pairs are traced in a first call, which is timed apart;
a sample is built and traced whole, and every figure must be the same.
"""

import json
import os
import time
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
import torch

from convblocks import BlockSpec, NetworkSpace, StageChoices, Stem, space_costs
from convblocks.analysis import count
from convblocks.measure import describe_host

BLOCKS = (
    *[BlockSpec("simple", depth=depth) for depth in (1, 2, 3, 4)],
    *[BlockSpec("residual", depth=depth) for depth in (1, 2, 3, 4)],
    *[BlockSpec("bottleneck", depth=depth, groups=groups) for depth in (3, 4) for groups in (1, 4)],
)
WIDTHS = tuple(range(16, 272, 16))
SIZE = (32, 32)
REPEATS = 7
CHECKED = 50


def space() -> NetworkSpace:
    stages = [
        StageChoices(block=BLOCKS, blocks=tuple(range(1, 9)), out_channels=WIDTHS, stride=stride)
        for stride in (1, 2, 2, 2)
    ]
    return NetworkSpace(in_channels=3, classes=10, stem=Stem(out_channels=16), stages=tuple(stages))


def seconds(networks: NetworkSpace, n: int) -> list[float]:
    """Returns the seconds of each repeat."""
    drawn, times = networks.draw(n, seed=1), []
    for _ in range(REPEATS):
        started = time.perf_counter()
        space_costs(networks, drawn, SIZE)
        times.append(time.perf_counter() - started)
    return times


def equal_to_full_traces(networks: NetworkSpace) -> int:
    """Returns how many of a sample have the cost that a trace of the whole network counts."""
    drawn = networks.draw(CHECKED, seed=2)
    costs, equal = space_costs(networks, drawn, SIZE), 0
    for i, choice in enumerate(drawn):
        with torch.device("meta"):
            net = networks.network(choice).build()
        whole = count(net, (3, *SIZE))
        equal += (whole.params, whole.macs, whole.activations) == (
            costs.params[i],
            costs.macs[i],
            costs.activations[i],
        )
    return equal


def main() -> None:
    networks = space()
    started = time.perf_counter()
    pairs = networks.draw(10**6, seed=0)
    space_costs(networks, pairs, SIZE)
    first = time.perf_counter() - started
    times = {n: seconds(networks, n) for n in (10**5, 10**6)}
    result = {
        "command": "python benchmarks/space.py",
        "networks_in_the_space": networks.networks,
        "first_call_with_tracing_s": round(first, 2),
        "median_s": {str(n): round(median(each), 4) for n, each in times.items()},
        "slowest_s": {str(n): round(max(each), 4) for n, each in times.items()},
        "checked_against_full_traces": CHECKED,
        "equal": equal_to_full_traces(networks),
        "repeats": REPEATS,
        "numpy": np.__version__,
        "host": msgspec.to_builtins(describe_host()),
        "load_average": [round(x, 2) for x in os.getloadavg()],
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    Path(__file__).with_suffix(".json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

"""Two one-thread workers, or one two-thread worker? Trainings per second, side by side in one run.

    python benchmarks/workers.py            # writes benchmarks/workers.json and prints it

This decides the defaults of `convblocks compare`: one worker per core, one thread each.
"""

import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import msgspec

from convblocks import Recipe, load_dataset
from convblocks.data import Dataset
from convblocks.engine.contracts import RunEnded, Trial
from convblocks.engine.design_record import describe
from convblocks.engine.local_processes import LocalProcesses
from convblocks.engine.trial import Trainer
from convblocks.experiments.implementations import Frame, implementations
from convblocks.experiments.matching import default_budget, solve
from convblocks.measure import describe_host
from convblocks.records import Design, Question
from convblocks.runs.shared_examples import shared
from convblocks.training import Placement

REPEATS = 3
TASKS = 4


def seconds(dataset: Dataset, designs: list[Design], workers: int, threads: int) -> float:
    """Returns training seconds from the first finished run to the last, so that starting workers does not count."""
    finished: list[float] = []
    with tempfile.TemporaryDirectory() as folder, shared(dataset, Path(folder, "examples")) as examples:
        trainer = Trainer(examples, Recipe(epochs=2), Path(folder), Placement())
        trials = [Trial(design, seed) for seed in range(workers + TASKS) for design in designs]
        with LocalProcesses(trainer, workers=workers, threads=threads) as pool:
            while pool.free:
                pool.submit(trials.pop())
            for event in pool.events():
                if isinstance(event, RunEnded):
                    finished.append(time.perf_counter())
                    if trials:
                        pool.submit(trials.pop())
    return (finished[-1] - finished[workers - 1]) / (len(finished) - workers)


def measure(depth: int, image_size: int) -> dict[str, object]:
    """Measures the seconds that a run of a residual stack takes in each way, repeated in turn."""
    cores = os.cpu_count() or 1
    dataset = load_dataset(image_size=None if image_size == 8 else image_size)
    frame = Frame(1, (image_size, image_size), 10, 2)
    (implementation,), _ = implementations(
        Question(depths=depth, stages=2, families="residual", block_depths=2)
    )
    budget = default_budget(frame, implementation, "macs")
    designs = [describe(solve(frame, implementation, "macs", budget).network, dataset)]
    many, one = [], []
    for _ in range(REPEATS):
        many.append(seconds(dataset, designs, cores, 1))
        one.append(seconds(dataset, designs, 1, cores))
    return {
        "depth": depth,
        "image_size": image_size,
        "s_per_run_one_thread_workers": round(median(many), 3),
        "s_per_run_one_worker_all_threads": round(median(one), 3),
        "ratio": round(median(b / a for a, b in zip(many, one, strict=True)), 2),
    }


def main() -> None:
    result = {
        "command": "python benchmarks/workers.py",
        "host": msgspec.to_builtins(describe_host()),
        "repeats": REPEATS,
        "figures": [measure(8, 8), measure(56, 8), measure(8, 16), measure(8, 32)],
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    Path(__file__).with_suffix(".json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

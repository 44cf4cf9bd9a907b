"""A whole analysis against the peers' counts alone: ratios of medians, interleaved in one run.

    python benchmarks/analyze.py            # writes benchmarks/analyze.json and prints it

Each model is built once. convblocks reads it with its weights; torchinfo and FlopCounterMode read it on meta, where
they are quickest; fvcore traces a forward on data, since its tracer does not run on meta. Needs the dev extra.
"""

import gc
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec
import torch
from torch.utils.flop_counter import FlopCounterMode

from convblocks import analyze
from convblocks.measure import describe_host
from convblocks.targets import load_target

MODELS = ("resnet50", "resnext50_32x4d", "convnext_tiny")
SIZE = (3, 224, 224)
REPEATS = 25


def counters(name: str) -> dict[str, Callable[[], object]]:
    """Returns the call of each tool on one model that is built already."""
    import fvcore.nn
    import torchinfo

    real = load_target(f"torchvision:{name}").module.eval()
    with torch.device("meta"):
        meta = load_target(f"torchvision:{name}").module.eval()
    x, on_meta = torch.zeros(1, *SIZE), torch.zeros(1, *SIZE, device="meta")

    def count_by_fvcore() -> object:
        counted = fvcore.nn.FlopCountAnalysis(real, x)
        return counted.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total()

    def count_by_torch() -> object:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            meta(on_meta)
        return counter.get_total_flops()

    return {
        "convblocks": lambda: analyze(real, SIZE),
        "fvcore": count_by_fvcore,
        "torchinfo": lambda: torchinfo.summary(meta, (1, *SIZE), verbose=0, device="meta"),
        "FlopCounterMode": count_by_torch,
        "a forward on meta alone": lambda: forward(meta, on_meta),
    }


def forward(module: torch.nn.Module, x: torch.Tensor) -> object:
    with torch.inference_mode():
        return module(x)


def milliseconds(tools: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Returns the median of each tool, the tools called in turn."""
    times: dict[str, list[float]] = {name: [] for name in tools}
    for repeat in range(REPEATS + 2):
        for name, run in tools.items():
            gc.collect()
            started = time.perf_counter()
            run()
            # two rounds to warm up
            if repeat > 1:
                times[name].append(time.perf_counter() - started)
    return {name: round(1000 * median(each), 2) for name, each in times.items()}


def main() -> None:
    warnings.simplefilter("ignore")
    models = {}
    for name in MODELS:
        ms = milliseconds(counters(name))
        ours = ms["convblocks"]
        models[name] = {
            "median_ms": ms,
            "times_convblocks": {
                tool: round(each / ours, 1) for tool, each in ms.items() if tool != "convblocks"
            },
        }
    result = {
        "command": "python benchmarks/analyze.py",
        "models": models,
        "repeats": REPEATS,
        "threads": torch.get_num_threads(),
        "host": msgspec.to_builtins(describe_host()),
        "load_average": [round(x, 2) for x in os.getloadavg()],
    }
    text = json.dumps(result, indent=1, ensure_ascii=False)
    Path(__file__).with_suffix(".json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

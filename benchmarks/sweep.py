"""Every model that timm creates without downloading, analysed on meta: crashes, wrong counts, unknown ops.

    python benchmarks/sweep.py                       # writes benchmarks/sweep.json and prints it
    python benchmarks/sweep.py --rows FILE.jsonl     # keeps a row for each model there, and goes on where it was

Two workers take each model in turn. An op without a rule matters if its output depends on the input or on a
weight: such an op may carry MACs and leaves the receptive field unknown. A model that fails is run once more on meta
without convblocks, and counts as a crash unless that fails as well. Needs the dev extra.
"""

import argparse
import json
import os
import signal
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import torch
from torch import nn

from convblocks import analyze
from convblocks.analysis import Trace, trace
from convblocks.analysis.fields.receptive_field import receptive_fields
from convblocks.analysis.ops import UNKNOWN
from convblocks.errors import TargetError
from convblocks.measure import describe_host
from convblocks.targets import load_target
from convblocks.targets.zoos import with_operators

WORKERS = 2
# for one model
LIMIT_SECONDS = 180


class TimeLimitError(Exception):
    """A model took too long."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        raise TimeLimitError(f"took more than {seconds} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def examine(name: str) -> dict[str, Any]:
    """Returns one row: the analysis of the model, or why there is none."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    began = time.perf_counter()
    row: dict[str, Any] = {"name": name}
    try:
        with limited(LIMIT_SECONDS):
            row |= _analysed(name)
    except Exception as error:  # any failure is a row
        row["error"] = _error_text(error)
    return row | {"seconds": round(time.perf_counter() - began, 2)}


def _analysed(name: str) -> dict[str, Any]:
    try:
        target = load_target(f"timm:{name}", on_meta=True)
    except TargetError as error:
        return {"skipped": f"not created: {_error_text(error)}"}
    module, size = target.module, target.input_size or (3, 224, 224)
    try:
        began = time.perf_counter()
        traced = trace(module, size)
        analysis = analyze(traced)
        analysed = time.perf_counter() - began
    except Exception as error:
        if reason := _fails_anyway(name, size):
            return {"skipped": f"does not run on meta: {reason}"}
        return {"error": _error_text(error)}
    return {
        "input_size": size,
        "analysis_seconds": round(analysed, 2),
        "params": analysis.params,
        "params_of_module": sum(p.numel() for p in module.parameters()),
        "macs": analysis.macs,
        "ops": analysis.ops,
        "unknown_ops": dict(Counter(op.name for op in traced.ops if op.entry.macs == UNKNOWN)),
        "unknown_share": analysis.unknown_share,
        "unknown_that_matter": unknown_that_matter(traced),
        "field": analysis.receptive_field,
        "field_lost_at": lost_at(traced) if None in analysis.receptive_field else None,
    }


def unknown_that_matter(trace: Trace) -> list[str]:
    """Returns the ops without a rule whose output depends on the input or on a weight."""
    live = {value.number for value in trace.inputs} | trace.parameters.keys()
    names = set()
    for op in trace.ops:
        if any(value.number in live for value in op.inputs):
            live.update(value.number for value in op.outputs)
            if op.entry.macs == UNKNOWN:
                names.add(op.name)
    return sorted(names)


def lost_at(trace: Trace) -> str | None:
    """Returns the first op that leaves a field unknown though the fields of its inputs are known."""
    fields = receptive_fields(trace)
    for op in trace.ops:
        before = [axis for value in op.inputs for axis in fields.get(value.number, ())]
        after = [axis for value in op.outputs for axis in fields.get(value.number, ())]
        if None in after and None not in before:
            shapes = ", ".join("×".join(map(str, value.shape)) for value in op.inputs)
            return f"{op.path}: {op.name}({shapes})"
    return None


def _fails_anyway(name: str, size: Sequence[int]) -> str:
    """Returns why the model cannot run on meta by itself; empty if it can."""
    module: nn.Module = load_target(f"timm:{name}", on_meta=True).module.eval()
    try:
        with torch.inference_mode():
            module(torch.empty(1, *size, device="meta"))
    except Exception as error:
        return _error_text(error)
    return ""


def _error_text(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def sweep(names: Sequence[str], rows: Path) -> None:
    """Appends a row for each name that has none yet."""
    done = {row["name"] for row in read(rows)}
    waiting = [name for name in names if name not in done]
    with (
        get_context("spawn").Pool(WORKERS, maxtasksperchild=100) as pool,
        rows.open("a") as file,
    ):
        for i, row in enumerate(pool.imap_unordered(examine, waiting), 1):
            file.write(json.dumps(row) + "\n")
            file.flush()
            if i % 50 == 0:
                print(f"{len(done) + i} of {len(names)}", flush=True)


def read(rows: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in rows.read_text().splitlines()] if rows.exists() else []


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the result, then its conditions."""
    rows = sorted(rows, key=lambda row: row["name"])
    analysed = [row for row in rows if "macs" in row]
    matter = {row["name"]: row["unknown_that_matter"] for row in analysed if row["unknown_that_matter"]}
    seconds = sorted(row["analysis_seconds"] for row in analysed)
    return {
        "analysed": len(analysed),
        "crashes": {row["name"]: row["error"] for row in rows if "error" in row},
        "params_wrong": [row["name"] for row in analysed if row["params"] != row["params_of_module"]],
        "unknown_ops": {
            row["name"]: {"ops": row["unknown_ops"], "share": round(row["unknown_share"], 5)}
            for row in analysed
            if row["unknown_ops"]
        },
        "unknown_ops_that_matter": matter,
        "models_with_unknown_ops_that_matter": f"{len(matter) / max(len(analysed), 1):.2%}",
        "output_field_unknown": {
            row["name"]: row["field_lost_at"] for row in analysed if None in row["field"]
        },
        "skipped": {row["name"]: row["skipped"] for row in rows if "skipped" in row},
        "analysis_seconds": {
            "total": round(sum(seconds), 1),
            "median": seconds[len(seconds) // 2],
            "longest": seconds[-1],
        }
        if seconds
        else {},
        "command": "python benchmarks/sweep.py",
        "timm": version("timm"),
        "workers": WORKERS,
        "host": msgspec.to_builtins(describe_host()),
        "load_average": [round(x, 2) for x in os.getloadavg()],
    }


def main() -> None:
    timm = with_operators(lambda: import_module("timm"))
    parser = argparse.ArgumentParser(description="Analyse every model of timm.")
    parser.add_argument("--rows", type=Path, help="one line for each model; goes on from there")
    parser.add_argument("names", nargs="*", help="only these models; prints the result and writes no summary")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        rows = given.rows or Path(folder) / "rows.jsonl"
        sweep(given.names or timm.list_models(), rows)
        result = summary(read(rows))
    text = json.dumps(result, indent=1, ensure_ascii=False)
    if not given.names:
        Path(__file__).with_suffix(".json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

"""Compares in processes of their own, small enough for a test."""

import json
import subprocess
import sys
from hashlib import sha256

from msgspec.structs import replace

from convblocks.records import RunTiming
from convblocks.runs.store import RunFolder

GRID = ["--depth", "4", "--depth", "8", "--block-depths", "1,2,4", "--seeds", "2", "--epochs", "3"]
GRID += ["--budget", "400k", "--stages", "2"]
NO_TIMING = RunTiming(epoch_s=(), images_per_s=0.0)


def start(data, out, *options, **how):
    command = [sys.executable, "-m", "convblocks", "compare", str(data), *GRID, "--out", str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)


def finish(data, out, *options):
    process = start(data, out, *options)
    output, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    return output


def result(out):
    """All that must repeat: designs, runs without their timings, and the bits of the weights."""
    folder = RunFolder(out)
    runs = [replace(run, timing=NO_TIMING) for run in folder.runs()]
    for run in runs:
        assert sha256(folder.weights(run.design, run.seed).read_bytes()).hexdigest() == run.weights_sha256
    return folder.designs(), runs


def without_checksum(path):
    """Writes each record of a file as earlier versions did, and returns the path."""
    text = path.read_text()
    tables = [json.loads(line) for line in (text.splitlines() if path.suffix == ".jsonl" else [text])]
    kept = [{n: v for n, v in table.items() if n not in ("study", "sha256")} for table in tables]
    path.write_text("".join(json.dumps(table) + "\n" for table in kept))
    return path

"""A user's block that exits, raises or prints in the worker processes of a compare."""

import os
import subprocess
import sys

import pytest

from convblocks.runs.store import RunFolder

BLOCK = """
import os, sys
from torch import nn

class Block(nn.Module):
    def __init__(self, in_channels, out_channels, *, stride=1, depth=1):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride, 1)

    def forward(self, x):
        if "CONVBLOCKS_WORKER" in os.environ and self.training:
            {deed}
        return self.conv(x)
"""
CASES = [
    pytest.param("sys.exit(3)", "SystemExit 3", id="exits"),
    pytest.param(
        r"raise LookupError('no \x1b[31mmap\nhere')",
        r"no \x1b[31mmap here",
        id="raises",
        marks=pytest.mark.slow,
    ),
    pytest.param("raise KeyboardInterrupt", "KeyboardInterrupt", id="interrupts", marks=pytest.mark.slow),
]


def run(folder, deed):
    (folder / "own.py").write_text(BLOCK.format(deed=deed))
    options = ["--families", "simple,own:Block", "--depth", "2", "--stages", "1", "--block-depths", "1"]
    options += ["--seeds", "1", "--epochs", "1", "--match", "none", "--workers", "1", "--out", "run"]
    return subprocess.run(
        [sys.executable, "-m", "convblocks", "compare", "digits", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )


@pytest.mark.parametrize(("deed", "reason"), CASES)
def test_one_that_ends_its_process_is_named_in_one_line_and_nothing_finished_is_lost(deed, reason, tmp_path):
    ended = run(tmp_path, deed)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == f"convblocks: training block-1-d2 with seed 0 failed: {reason}"
    assert "Traceback" not in ended.stderr
    assert [each.design for each in RunFolder(tmp_path / "run").runs()] == ["simple-d2"]


@pytest.mark.slow
def test_one_that_prints_does_not_print_into_the_results(tmp_path):
    ended = run(tmp_path, "print('a block prints')")
    assert ended.returncode == 0, ended.stderr
    assert "a block prints" in ended.stderr
    assert "a block prints" not in ended.stdout

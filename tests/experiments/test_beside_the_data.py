"""A compare in a folder of a stranger's: what lies there is data, never code."""

import subprocess
import sys

import pytest


def command(data):
    words = ["compare", str(data), "--depth", "2", "--families", "simple", "--stages", "1", "--seeds", "2"]
    return [sys.executable, "-m", "convblocks", *words, "--match", "none", "--workers", "2", "--out", "run"]


@pytest.mark.slow
def test_modules_that_lie_there_are_not_run_in_the_command_or_its_workers(few_digits, tmp_path):
    """Those that torch and others look for when they are imported or used."""
    for name in ("opt_einsum", "dill", "sitecustomize", "numpy", "torch", "cloudpickle", "cupy"):
        (tmp_path / f"{name}.py").write_text(
            f"from pathlib import Path\nPath({str(tmp_path)!r}, 'ran-{name}').touch()\n"
        )
    found = subprocess.run(
        [*command(few_digits), "--epochs", "1"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert not [*tmp_path.glob("ran-*")]

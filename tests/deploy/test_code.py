"""Printed files: alone in a fresh interpreter they have our keys and give our bits, for whatever can be described."""

import json
import subprocess
import sys
from collections import Counter

import pytest
import torch
from safetensors.torch import save_file

from convblocks import BLOCKS
from convblocks.blocks.block_spec import block_options
from tests.deploy import alone
from tests.deploy.draws import DRAWS, OPTIONS, Draw


def test_the_table_has_the_options_of_the_families():
    assert set(OPTIONS) == {name for family in BLOCKS for name in block_options(family)}


@pytest.mark.slow
def test_draws_have_every_option_of_every_family():
    """What is refused too often would go untested."""
    asked, had = Counter(), Counter()
    for seed in range(DRAWS):
        draw = Draw(seed)
        had.update((spec.family, name) for spec in draw.run().specs for name in spec.options)
        asked += draw.asked
    pairs = {(family, name) for family in BLOCKS for name in block_options(family)}
    assert {pair: had[pair] for pair in pairs if had[pair] < 2} == {}
    assert {pair: had[pair] / asked[pair] for pair in pairs if had[pair] < asked[pair] / 5} == {}


def test_drawn_files_stand_alone(tmp_path, seeds):
    ours = {}
    for seed in seeds:
        drawn = Draw(seed).run()
        text, module, size = drawn.text(), drawn.module, drawn.size
        starts = alone.starts(module)
        torch.manual_seed(seed)
        loose = {n for m in module.modules() for n in m._non_persistent_buffers_set}
        assert len(loose) <= 1  # what no weights carry is in the file, and is not scrambled
        saved = {
            n: t.add(torch.rand_like(t).mul_(0.5)) if t.is_floating_point() else t
            for n, t in module.state_dict().items()
        }
        module.load_state_dict(saved)
        x = torch.randn(2, *size)
        (tmp_path / f"n{seed}.py").write_text(text)
        save_file({**module.state_dict(), alone.INPUT: x}, tmp_path / f"n{seed}.safetensors")
        ours[f"n{seed}"] = {"starts": starts} | alone.passed(module, x)
    command = [sys.executable, "-I", alone.__file__, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-3000:]
    theirs = json.loads(found.stdout)
    for name, expected in ours.items():
        assert theirs[name] == expected, (tmp_path / f"{name}.py").read_text()
    assert ruff("check", tmp_path) == ""
    assert ruff("format", tmp_path, "--check", "--line-length", "100") == ""


def ruff(command, folder, *options):
    """What ruff complains of."""
    line = [sys.executable, "-m", "ruff", command, "--isolated", *options, str(folder)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def pytest_generate_tests(metafunc):
    """25 files a test; the first of them in every run."""
    if "seeds" in metafunc.fixturenames:
        marks = [(), *[pytest.mark.slow] * (DRAWS // 25 - 1)]
        parts = [(range(25 * i, 25 * i + 25), mark) for i, mark in enumerate(marks)]
        metafunc.parametrize("seeds", [pytest.param(r, marks=m, id=f"{r[0]}-{r[-1]}") for r, m in parts])

"""Printed files: alone in a fresh interpreter they have our keys and give our bits, for whatever can be described."""

import json
import os
import subprocess
import sys
from collections import Counter, OrderedDict

import pytest
import torch
from safetensors.torch import save_file

from convblocks import BLOCKS, BlockSpec, Network, Stage, Stem
from convblocks.blocks.block_spec import block_options
from convblocks.deploy.code import module_code
from convblocks.errors import CodeError
from convblocks.networks.segmentation import DilatedHead, UNetHead
from tests.deploy.code import alone
from tests.deploy.code.draws import DRAWS, OPTIONS, Draw
from tests.deploy.code.printed import made

NETWORK = Network(
    in_channels=3,
    classes=5,
    stem=Stem(out_channels=8),
    stages=(Stage(block=BlockSpec("residual", depth=3), blocks=2, out_channels=16, stride=2),),
)


def test_the_table_has_the_options_of_the_families():
    assert set(OPTIONS) == {name for family in BLOCKS for name in block_options(family)}


@pytest.mark.slow
def test_draws_have_every_option_of_every_family():
    """An option that is refused too often would go untested."""
    tried, had = Counter(), Counter()
    for seed in range(DRAWS):
        draw = Draw(seed)
        had.update((spec.family, name) for spec in draw.run().specs for name in spec.options)
        tried += draw.tried
    pairs = {(family, name) for family in BLOCKS for name in block_options(family)}
    assert {pair: had[pair] for pair in pairs if had[pair] < 2} == {}
    assert {pair: had[pair] / tried[pair] for pair in pairs if had[pair] < tried[pair] / 5} == {}


def test_drawn_files_stand_alone(tmp_path, seeds):
    ours = {}
    for seed in seeds:
        drawn = Draw(seed).run()
        text, module, size = drawn.text(), drawn.module, drawn.size
        constants = alone.constants(module)
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
        ours[f"n{seed}"] = {"constants": constants} | alone.passed(module, x)
    command = [sys.executable, "-I", alone.__file__, str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-3000:]
    theirs = json.loads(process.stdout)
    for name, expected in ours.items():
        assert theirs[name] == expected, (tmp_path / f"{name}.py").read_text()
    assert ruff("check", tmp_path) == ""
    assert ruff("format", tmp_path, "--check", "--line-length", "100") == ""


def ruff(command, folder, *options):
    """Returns the complaints of ruff."""
    line = [sys.executable, "-m", "ruff", command, "--isolated", *options, str(folder)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def pytest_generate_tests(metafunc):
    """25 files a test; the first of them in every run."""
    if "seeds" in metafunc.fixturenames:
        marks = [(), *[pytest.mark.slow] * (DRAWS // 25 - 1)]
        parts = [(range(25 * i, 25 * i + 25), mark) for i, mark in enumerate(marks)]
        metafunc.parametrize("seeds", [pytest.param(r, marks=m, id=f"{r[0]}-{r[-1]}") for r, m in parts])


@pytest.mark.parametrize(
    "head",
    [
        UNetHead(),
        UNetHead(block=BlockSpec("preactivation"), norm="batch", activation="relu"),
        DilatedHead(width=8, rates=(2, 3)),
        DilatedHead(width=8, rates=(2, 3), norm="batch", activation="relu"),
    ],
)
def test_a_network_that_scores_every_position(head):
    stage = NETWORK.stages[0]
    network = Network(
        in_channels=3,
        classes=5,
        stem=NETWORK.stem,
        stages=(stage, Stage(block=stage.block, blocks=1, out_channels=24, stride=2)),
        head=head,
    ).build()
    theirs = made(module_code(network, (3, 17, 18))).eval()
    theirs.load_state_dict(network.state_dict())
    x = torch.randn(2, 3, 17, 18)
    assert torch.equal(theirs(x), network.eval()(x))


def test_a_missing_ruff_names_its_install_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs ruff: pip install 'convblocks\[code\]'"):
        module_code(torch.nn.ReLU(), (1, 2, 2))


def test_names_that_steer_a_terminal_are_refused():
    with pytest.raises(CodeError, match="the name "):
        module_code(torch.nn.Sequential(OrderedDict([("\x1b[2J", torch.nn.ReLU())])), (1, 2, 2))


@pytest.mark.slow
def test_the_text_is_the_same_in_every_process():
    """A set of classes has another order in each; so had the file's."""
    code = (
        "from convblocks import BlockSpec; from convblocks.cli.code import block_code; import hashlib; "
        "print(hashlib.sha256(block_code(BlockSpec('dense'), (8, 9, 9), 16, 2, '').encode()).hexdigest())"
    )
    digests = [
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "123"
    ]
    assert len(set(digests)) == 1

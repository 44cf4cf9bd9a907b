"""Printed files: alone in a fresh interpreter they have our keys and give our bits, for whatever can be described."""

import json
import random
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from convblocks import BLOCKS, BlockSpec, Network, Stage, Stem
from convblocks.blocks.spec import block_options
from convblocks.cli.code import block_code
from convblocks.deploy.code import module_code
from convblocks.errors import ConvblocksError
from tests.deploy import alone

OPTIONS = {
    "depth": [1, 2, 3, 4, 5, 6, 7],
    "kernel_size": [1, 3, 5],
    "dilation": [1, 2],
    "groups": [1, 2, 4],
    "bias": [None, True, False],
    "norm": ["batch", "group", "layer", "instance", "none"],
    "activation": ["relu", "leaky_relu", "elu", "silu", "mish", "hardswish", "gelu", "tanh", "none", "relu6"],
    "padding_mode": ["zeros", "reflect", "replicate", "circular"],
    "shortcut": ["projection", "average", "zeros"],
    "branch_scale": ["none", "zero", "one"],
    "attention": ["none", "squeeze_excite", "eca", "cbam"],
    "layer_scale": [None, 0.1],
    "stochastic_depth": [0.0, 0.3],
    "dropout": [0.0, 0.2],
    "expansion": [1, 2, 4],
    "pool": ["none", "max", "average", "blur"],
    "growth": [None, 4],
    "bottleneck": [False, True],
    "kernels": [[3, 3], [1, 3, 1], [3, 1]],
    "width": [4, 8],
    "base_width": [4, 8],
    "function_depth": [1, 2, 3],
    "zero_init": [False, True],
    "reparameterized": [False, True],
    "squeeze_excite": [0.25],
}  # options that a family does not know are not drawn; of others the default stands
SIZES = {1: (17,), 2: (9, 11), 3: (5, 6, 7)}


def block_spec(draw, family):
    """A block that can be built, with about half of its options drawn."""
    while True:
        names = [n for n in block_options(family) if n in OPTIONS and draw.random() < 0.5]
        options = {n: draw.choice(OPTIONS[n]) for n in names}
        try:
            return BlockSpec(family, **options)
        except ConvblocksError:
            continue


def drawn(seed):
    """(text, module, input size) of a block or, every third time, of a network."""
    draw = random.Random(seed)
    family = list(BLOCKS)[seed % len(BLOCKS)]
    while True:
        spec, dims = block_spec(draw, family), draw.choice([1, 2, 3])
        size, stride, channels = SIZES[dims], draw.choice([1, 1, 2, 3]), draw.choice([8, 16])
        torch.manual_seed(seed)
        try:
            if draw.random() < 1 / 3:
                other = block_spec(draw, draw.choice(list(BLOCKS)))
                stages = (
                    Stage(block=spec, blocks=draw.choice([1, 2, 4]), out_channels=16),
                    Stage(block=other, blocks=2, out_channels=draw.choice([16, 32]), stride=2),
                )
                stem = Stem(out_channels=16, kernel_size=draw.choice([3, 5]))
                module = Network(in_channels=3, classes=5, stem=stem, stages=stages, dims=dims).build()
                module(torch.zeros(2, 3, *size))
                return module_code(module, (3, *size)), module, (3, *size)
            outputs = draw.choice([8, 16, 32])
            module = spec.build(channels, outputs, stride, dims=dims)
            module(torch.zeros(2, channels, *size))
        except (ConvblocksError, ValueError, RuntimeError):  # such as a map too small for its padding
            continue
        torch.manual_seed(seed)
        text = block_code(spec, (channels, *size), outputs, stride, "the test")
        return text, module, (channels, *size)


def test_drawn_files_stand_alone(tmp_path, seeds):
    ours = {}
    for seed in seeds:
        text, module, size = drawn(seed)
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
        ours[f"n{seed}"] = alone.passed(module, x)
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
    """300 files, 25 a test; the first of them in every run."""
    if "seeds" in metafunc.fixturenames:
        marks = [(), *[pytest.mark.slow] * 11]
        parts = [(range(25 * i, 25 * i + 25), mark) for i, mark in enumerate(marks)]
        metafunc.parametrize("seeds", [pytest.param(r, marks=m, id=f"{r[0]}-{r[-1]}") for r, m in parts])

"""Messages name flags that exist: those of the command that was run, or of another that is named with it."""

import ast
from pathlib import Path

import numpy as np
import pytest

import convblocks
from convblocks.cli.app import app, flags_of, spelled
from convblocks.cli.parse import flag, flag_name
from convblocks.errors import Setting
from tests.cli.test_cli import refused

# functions whose first argument is an argument's name, which a message may print
SPEAKERS = {"Setting", "OptionError", "whole", "one_of", "numbers"}

PYTHON_ONLY = {
    "batches points x train layer": "of analyses, which commands call with data of their own",
    "blocks classes in_channels out_indices shape size": "of a network's description",
    "macs, params n choices multiplier network of name recipe": "of functions that no command calls",
    "group_width hidden initial layers pooled_norm rates slope widening width most": "of networks and heads",
    "op arguments": "of ops that users register",
    "target": "a module or its trace",
}

ROOT = Path(convblocks.__file__).parent


def named_in_source():
    """Argument → a file that names it. Blocks, layers and their checks are apart: `code` takes the options of any."""
    files = {}
    for file in ROOT.rglob("*.py"):
        if file.relative_to(ROOT).parts[0] in ("blocks", "layers", "checks.py"):
            continue
        for call in ast.walk(ast.parse(file.read_text())):
            name = isinstance(call, ast.Call) and getattr(call.func, "id", None) in SPEAKERS and call.args[:1]
            if name and isinstance(name[0], ast.Constant):
                files[name[0].value] = file
    return files


def test_every_argument_that_a_message_names_is_a_flag_or_of_python_alone():
    commands = [name for name in app if not name.startswith("-")]
    flags = set().union(*map(flags_of, commands))
    python_only = set(" ".join(PYTHON_ONLY).split()) | {"macs, params"}
    named = named_in_source()
    assert len(named) > 40
    without = {name: file for name, file in named.items() if flag_name(name) not in flags}
    assert not {name: file for name, file in without.items() if name not in python_only}


@pytest.mark.parametrize(
    ("setting", "command", "expected"),
    [
        (Setting("image_size", 8), "compare", "--image-size 8"),
        (Setting("image_size", 8), "advise", "convblocks compare --image-size 8"),
        (Setting("depths"), "compare", "--depth"),
        (Setting("memory_bytes"), "analyze", "--memory"),
        (Setting("steps"), "signal", "--along"),
        (Setting("norm", "group"), "code", "--norm group"),
        (Setting("layer"), "signal", "layer"),
        (Setting("out"), "", "convblocks compare --out"),
    ],
)
def test_spelled_for_the_command_that_runs(setting, command, expected):
    assert spelled(setting, command) == expected


def test_a_flag_of_another_command_is_named_with_it(folder):
    """Broken examples are left out by compare alone, and signal reads data too."""
    x = np.zeros((40, 1, 8, 8), np.float32)
    x[3] = np.nan
    np.savez(folder / "broken.npz", x=x, y=np.arange(40) % 2)
    line = refused("signal", "models.py:Net", "--data", "broken.npz", cwd=folder)
    assert "convblocks compare --skip-broken" in line


@pytest.mark.parametrize("match", ["macs", "params"])
def test_too_little_memory_names_the_budget(match, monkeypatch, tmp_path):
    monkeypatch.setattr("convblocks.engine.training_memory.available_bytes", lambda: 10_000)
    line = refused("compare", "digits", "--depth", "4", "--match", match, cwd=tmp_path)
    assert "give a smaller --budget, a smaller --batch-size, or fewer --workers" in line


def test_without_a_match_there_is_no_budget_to_lower(monkeypatch, tmp_path):
    monkeypatch.setattr("convblocks.engine.training_memory.available_bytes", lambda: 10_000)
    line = refused("compare", "digits", "--depth", "4", "--match", "none", cwd=tmp_path)
    assert "give a smaller --batch-size, or fewer --workers" in line
    assert "budget" not in line


def test_flags_are_written_as_one_types_them():
    assert flag(Setting("out", "a b")) == "--out 'a b'"

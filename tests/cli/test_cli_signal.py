"""What `convblocks signal` prints."""

import json
from pathlib import Path

import pytest

from convblocks.cli import main

PLAIN = """
in_channels = 3
classes = 10
stem = { out_channels = 16 }
[[stages]]
blocks = 12
out_channels = 16
block = { family = "simple", depth = 2, norm = "none" }
"""


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain.toml"
    path.write_text(PLAIN)
    return str(path)


def told(capsys, *arguments):
    main(["signal", *arguments])
    return capsys.readouterr().out


def test_its_tables_are_whole_in_80_columns(plain, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = told(capsys, plain, "--input", "3x16x16", "--batch-size", "8", "--mend").splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    heading = next(i for i, line in enumerate(lines) if line.startswith("symptom and mend"))
    assert lines[heading + 1].rstrip() == "vanishing gradient"
    mends = {line.split()[0]: line for line in lines[heading + 2 :] if line.startswith("  ")}
    assert "cured" in mends["shortcut"]


def test_the_steps_of_a_training_are_whole_in_80_columns(plain, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    Path(plain).write_text(PLAIN.replace("in_channels = 3", "in_channels = 1"))
    lines = told(capsys, plain, "--data", "digits", "--batch-size", "512", "--along", "1").splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    heading = next(line for line in lines if line.startswith("step"))
    assert heading.split() == ["step", "loss", "spread/layer", "gradient/layer", "over", "all", "symptoms"]


def test_its_record_says_the_same(plain, capsys):
    found = json.loads(told(capsys, plain, "--input", "3x16x16", "--batch-size", "8", "--mend", "--json"))
    symptoms = {symptom["kind"] for symptom in found["signal"]["symptoms"]}
    assert "vanishing gradient" in symptoms
    assert {check["symptom"] for check in found["mends"]} == symptoms
    assert found["signal"]["gradient"]["factor"] < 1


def test_a_seed_repeats_random_weights_too(plain, capsys):
    """The same command, the same figures."""
    once, again, other = (
        told(capsys, plain, "--input", "3x16x16", "--batch-size", "4", "--json", "--seed", seed)
        for seed in ("1", "1", "2")
    )
    assert once == again != other


def test_what_the_target_s_own_code_prints_is_not_in_the_record(tmp_path, capsys):
    file = tmp_path / "loud.py"
    body = "    return nn.Sequential(nn.Conv2d(3, 4, 3))\n"
    file.write_text("from torch import nn\nprint('hello')\n\ndef net():\n" + body)
    main(["signal", f"{file}:net", "--input", "3x8x8", "--batch-size", "4", "--json"])
    found = capsys.readouterr()
    assert json.loads(found.out)["signal"]
    assert found.err.splitlines()[0] == "hello"

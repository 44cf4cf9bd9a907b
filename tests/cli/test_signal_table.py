"""The tables of a signal are whole in 80 columns."""

from pathlib import Path

from tests.cli.test_signal import PLAIN, plain, told

__all__ = ["plain"]


def test_its_tables_are_whole_in_80_columns(plain, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = told(capsys, plain, "--input", "3x16x16", "--batch-size", "8", "--fix").splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    heading = next(i for i, line in enumerate(lines) if line.startswith("symptom and fix"))
    assert lines[heading + 1].rstrip() == "vanishing gradient"
    fixes = {line.split()[0]: line for line in lines[heading + 2 :] if line.startswith("  ")}
    assert "cured" in fixes["shortcut"]


def test_the_steps_of_a_training_are_whole_in_80_columns(plain, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    Path(plain).write_text(PLAIN.replace("in_channels = 3", "in_channels = 1"))
    lines = told(capsys, plain, "--data", "digits", "--batch-size", "512", "--along", "1").splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    heading = next(line for line in lines if line.startswith("step"))
    assert heading.split() == ["step", "loss", "spread/layer", "gradient/layer", "over", "all", "symptoms"]

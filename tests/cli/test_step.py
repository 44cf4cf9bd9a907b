"""``convblocks analyze --batch`` and ``--memory``: parts that add up, a batch that fits, one line for bad input."""

import json

import pytest

from convblocks import largest_batch, load_target, step_memory
from convblocks.cli import main
from convblocks.cli.parse import memory_size
from convblocks.errors import OptionError

MODEL = """
from torch import nn

def net():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))
"""
SIZE = (3, 8, 8)


@pytest.fixture
def target(tmp_path):
    (tmp_path / "models.py").write_text(MODEL)
    return f"{tmp_path}/models.py:net"


def test_the_json_has_what_the_api_says(target, capsys):
    options = ["--batch", "7", "--memory", "1MB", "--optimizer", "adamw"]
    main(["analyze", target, "--input", "3x8x8", "--json", *options])
    told = json.loads(capsys.readouterr().out)
    net = load_target(target).module
    assert told["step_memory"] == step_memory(net, SIZE, batch=7, optimizer="adamw").to_dict()
    fits = largest_batch(net, SIZE, memory_bytes=10**6, optimizer="adamw")
    assert told["largest_batch"] == {"memory_bytes": 10**6, "batch": fits}
    main(["analyze", target, "--input", "3x8x8", "--json"])
    assert told.keys() - json.loads(capsys.readouterr().out).keys() == {"step_memory", "largest_batch"}


def test_the_step_of_the_largest_batch_is_shown_where_none_is_given(target, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    main(["analyze", target, "--input", "3x8x8", "--memory", "1MiB"])
    told = capsys.readouterr().out
    fits = largest_batch(load_target(target).module, SIZE, memory_bytes=2**20)
    assert f"Training step of {fits} images on a CPU, SGD" in told
    assert told.rstrip().endswith(f"Largest batch in 1.00\N{NO-BREAK SPACE}MiB on a CPU: {fits}")
    assert max(map(len, told.splitlines())) <= 80


def test_memory_in_which_nothing_fits(target, capsys):
    main(["analyze", target, "--input", "3x8x8", "--memory", "1kB"])
    told = capsys.readouterr().out
    assert "none, since a single image does not fit" in told
    assert "Training step" not in told


@pytest.mark.parametrize(
    ("text", "found"),
    [("8GB", 8 * 10**9), ("8GiB", 8 * 2**30), ("1.5 kib", 1536), ("512mb", 512 * 10**6), ("2TB", 2 * 10**12)],
)
def test_memory_as_people_write_it(text, found):
    assert memory_size("memory", text) == found


@pytest.mark.parametrize("text", ["8", "GB", "-1GB", "0GB", "8 bits", "1e3GB", ""])
def test_memory_that_is_none(text):
    with pytest.raises(OptionError, match="expected an amount of memory"):
        memory_size("memory", text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--optimizer", "adam"], "--optimizer adam: goes with --batch or --memory"),
        (["--batch", "0"], "--batch 0: expected at least 1 example"),
        (["--batch", "2", "--optimizer", "lion"], "--optimizer lion: expected one of sgd"),
        (["--memory", "8"], "--memory 8: expected an amount of memory such as 8GB"),
    ],
)
def test_refusals_are_one_line(target, capsys, options, message):
    with pytest.raises(SystemExit) as ended:
        main(["analyze", target, "--input", "3x8x8", *options])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert message in told
    assert told.count("\n") == 1

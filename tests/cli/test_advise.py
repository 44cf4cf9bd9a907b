"""``convblocks advise`` as CI meets it: its lines, its exit status, its refusals in one line."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from convblocks.cli import main

ROOT = Path(__file__).parents[2]
HAND_WRITTEN = ROOT / "tests" / "advice" / "hand_written.py"
STRIDED = f"{HAND_WRITTEN}:simple_strided"
DEEP = f"{HAND_WRITTEN}:deep_and_narrow"
BROKEN = f"{HAND_WRITTEN}:residual_with_kernel_5"


class Ran(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def advise(capsys, monkeypatch):
    """The command, run in this process and at a terminal wide enough."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        try:
            main(["advise", *arguments])
            status = 0
        except SystemExit as ended:
            status = ended.code
        return Ran(status, *capsys.readouterr())

    return run


def test_an_addition_that_fails_is_a_finding_and_no_refusal(advise):
    found = advise(BROKEN, "--input", "16x28x28", "--fail-on", "error")
    assert (found.returncode, found.stderr) == (1, "")
    assert "ResidualBlock: CB202 error the addition fails: a map of 24×24 behind layers.3" in found.stdout
    assert "fix: padding=2 in layers.0 and layers.3" in found.stdout


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ([], 0),  # a note is below a warning
        (["--fail-on", "note"], 1),
        (["--fail-on", "note", "--ignore", "CB2"], 0),
        (["--fail-on", "note", "--select", "CB1"], 0),
    ],
)
def test_the_exit_status_is_ci_s(advise, options, status):
    assert advise("torchvision:resnet18", "--input", "3x224x224", *options).returncode == status


def test_json_is_the_findings_and_nothing_else(advise):
    found = advise(STRIDED, "--input", "16x28x28", "--json", "--select", "CB201")
    (finding,) = json.loads(found.stdout)
    assert finding.keys() == {"id", "severity", "place", "message", "mend", "figures"}
    assert (finding["id"], finding["severity"], finding["place"]) == ("CB201", "warning", "layers")
    assert advise(STRIDED, "--input", "16x28x28", "--json", "--select", "CB3,CB104").stdout == "[]\n"


@pytest.mark.parametrize("asked", [["--signal"], ["--select", "CB401"]])
def test_the_signal_is_measured_where_it_is_asked_for(advise, asked):
    """Weights as torch draws them by default shrink what comes in, layer by layer."""
    options = (DEEP, "--input", "4x16x16", "--ignore", "CB2")
    assert advise(*options).stdout == "Nothing found.\n"
    found = advise(*options, *asked)
    assert found.returncode == 1
    assert (
        "Sequential: CB401 warning vanishing gradient: the gradient, on its way back, goes ×" in found.stdout
    )


def test_the_signal_of_random_weights_is_the_same_each_time(advise):
    options = (DEEP, "--input", "4x16x16", "--select", "CB4", "--json")
    first = advise(*options)
    torch.rand(5)
    assert json.loads(first.stdout)
    assert advise(*options) == first


CONSTANT = """
import torch
from torch import nn

def copies(width):
    net = nn.Sequential(nn.Conv2d(3, width, 1), nn.ReLU(), nn.Conv2d(width, 4, 1))
    for p in net.parameters():
        nn.init.constant_(p, 0.1)
    return net

def small():
    return copies(8)

def larger_than_memory():
    net = copies(8)
    net.append(nn.Conv2d(4, 2**40, 1))
    return net
"""


def test_weights_are_built_for_cb504_unless_they_are_large(advise, tmp_path):
    (file := tmp_path / "nets.py").write_text(CONSTANT)
    small = advise(f"{file}:small", "--input", "3x8x8", "--fail-on", "note")
    assert "CB504" in small.stdout
    assert small.stderr == ""
    large = advise(f"{file}:larger_than_memory", "--input", "3x8x8", "--ignore", "CB3")
    assert large.returncode in (0, 1)
    assert "CB504" not in large.stdout
    assert "CB504 is left out: it needs the weights, 21,990,233 MB" in large.stderr
    for options in (["--ignore", "CB504"], ["--select", "CB1"]):
        assert advise(f"{file}:larger_than_memory", "--input", "3x8x8", *options).stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no target: name a network"),
        (["no_such.py:Net", "--input", "3x8x8"], "no_such.py"),
        ([STRIDED], "--input: "),
        ([STRIDED, "--input", "3by8"], "--input 3by8: expected"),
        ([STRIDED, "--input", "3x8x8"], "SimpleBlock cannot take an input of 3×8×8 at layers.0"),
        ([STRIDED, "--input", "16x28x28", "--select", "CB9"], "--select CB9: there is no such rule"),
        ([STRIDED, "--input", "16x28x28", "--ignore", "CB1,,"], "--ignore CB1,,: expected names"),
        ([STRIDED, "--input", "16x28x28", "--fail-on", "bad"], '"bad" for --fail-on'),
    ],
)
def test_bad_input_is_one_line_and_status_2(advise, arguments, message):
    found = advise(*arguments)
    assert (found.returncode, found.stdout) == (2, "")
    (line,) = found.stderr.splitlines()
    assert message in line

"""What `convblocks signal` prints."""

import json
from pathlib import Path

import numpy as np
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


@pytest.mark.parametrize("option", ["--fix", "--mend"])
def test_its_record_says_the_same_under_the_option_s_old_name_too(plain, capsys, option):
    main(["signal", plain, "--input", "3x16x16", "--batch-size", "8", option, "--json"])
    text, notice = capsys.readouterr()
    assert ("--fix" in notice) == (option == "--mend")
    found = json.loads(text)
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


FAILING_BACKWARD = """
import torch
from torch import nn

class Overwritten(nn.Module):
    def forward(self, x):
        gate = torch.sigmoid(x)
        gate += 0.5
        return x * gate

class LeafOverwritten(nn.Conv2d):
    def forward(self, x):
        self.weight.mul_(0.5)
        return super().forward(x)

class Raising(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise NotImplementedError("no backward\\nfor this one")

class WithoutBackward(nn.Module):
    def forward(self, x):
        return Raising.apply(x)

def net(part):
    ends = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    return nn.Sequential(nn.Conv2d(3, 8, 3), part, nn.Conv2d(8, 8, 3), *ends)

def overwritten():
    return net(Overwritten())

def leaf_overwritten():
    return net(LeafOverwritten(8, 8, 3))

def without_backward():
    return net(WithoutBackward())
"""


@pytest.mark.parametrize("command", [["signal"], ["advise", "--signal"]])
@pytest.mark.parametrize("name", ["overwritten", "leaf_overwritten", "without_backward"])
def test_a_backward_that_fails_is_one_line(command, name, tmp_path, capsys):
    (tmp_path / "failing.py").write_text(FAILING_BACKWARD)
    with pytest.raises(SystemExit) as left:
        main([*command, f"{tmp_path / 'failing.py'}:{name}", "--input", "3x16x16"])
    found = capsys.readouterr()
    assert left.value.code == 2
    assert found.out == ""
    assert found.err.count("\n") == 1
    assert any(word in found.err for word in ("backward", "in place", "in-place"))


def test_data_that_do_not_fit_are_told_as_analyze_tells_them(plain, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text("import torch\ndef net():\n    return torch.nn.Conv1d(12, 8, 3)\n")
    np.savez("sounds.npz", x=np.zeros((20, 1, 40), "float32"), y=np.arange(20) % 2)
    with pytest.raises(SystemExit):
        main(["signal", "net.py:net", "--data", "sounds.npz"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "give the channels that this layer takes first" in line
    assert "has 1 channel (1×40); if the network takes its axes in another order" in line
    assert line.endswith("--axes time,channels")

"""``--axes`` of analyze, advise, signal and draw: inputs whose channels are not first."""

import json

import numpy as np
import pytest
import torch

from convblocks.cli import main
from convblocks.cli.examples import arranged

MODELS = """
import torch
from torch import nn

class Time(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.conv, self.head = nn.Linear(12, 8), nn.Conv1d(8, 8, 5, padding=2), nn.Linear(8, 3)
    def forward(self, x):
        return self.head(self.conv(self.first(x).transpose(1, 2)).transpose(1, 2).mean(1))

class Mlp(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 8))

class Wave(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv1d(1, 4, 9), nn.Linear(4, 2)
    def forward(self, x):
        return self.head(self.conv(x.unsqueeze(1)).relu().mean(-1))

class Image(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 2)
    def forward(self, x):
        return self.head(self.conv(x.permute(0, 3, 1, 2)).relu().mean((2, 3)))

class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.LSTM(12, 8), nn.Linear(8, 2)
    def forward(self, x):
        return self.head(self.layer(x)[0])
"""
COMMANDS = {"analyze": [], "advise": [], "draw": [], "signal": ["--batch-size", "4", "--field"]}


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def run(capsys, *arguments):
    main(arguments)
    return capsys.readouterr()


def one_line(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("name", "size", "axes"),
    [
        ("Time", "40x12", "time,channels"),
        ("Wave", "60", "length"),
        ("Image", "9x11x3", "height,width,channels"),
    ],
)
def test_every_command_takes_named_axes(command, name, size, axes, capsys):
    told = run(capsys, command, f"nets.py:{name}", "--input", size, "--axes", axes, *COMMANDS[command])
    assert told.out
    assert "taken to be" not in told.out + told.err


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_assumed_is_said_once_with_the_option(command, capsys):
    told = run(capsys, command, "nets.py:Mlp", "--input", "40x12", *COMMANDS[command])
    assert (told.out + told.err).count("taken to be length,channels") == 1
    assert "the option axes names others" in told.out + told.err
    named = run(
        capsys, command, "nets.py:Mlp", "--input", "40x12", "--axes", "time,features", *COMMANDS[command]
    )
    assert "taken to be" not in named.out + named.err


def test_steps_before_the_batch(capsys):
    assumed = run(capsys, "analyze", "nets.py:Steps", "--input", "40x12")
    assert "time,batch,channels" in assumed.out
    named = ("analyze", "nets.py:Steps", "--input", "40x12", "--axes", "time,batch,channels", "--batch", "4")
    found = json.loads(run(capsys, *named, "--json").out)
    assert found["receptive_field"] == ["all"]
    assert found["input_sizes"] == found["step_memory"]["input_sizes"] == [[40, 12]]


def test_the_drawing_names_channels_where_they_are(capsys):
    drawn = run(capsys, "draw", "nets.py:Image", "--input", "9x11x3").out
    assert "input, 9×11, 3 channels" in drawn
    assert "input, 60\n" in run(capsys, "draw", "nets.py:Wave", "--input", "60").out
    assert "output, 40, 8 channels" in run(capsys, "draw", "nets.py:Mlp", "--input", "40x12").out


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ("time,chanels", "'chanels' is no name of an axis"),
        ("", "a name is missing"),
        ("time,time", "names time twice"),
        ("channels,features", "names channels twice"),
        ("length", "names 1 axes without the batch, and the input 40×12 has 2"),
    ],
)
def test_wrong_axes_are_one_line(command, axes, words, capsys):
    line = one_line([command, "nets.py:Time", "--input", "40x12", "--axes", axes], capsys)
    assert f"--axes {axes or repr(axes)}: " in line
    assert words in line


def test_axes_that_do_not_go_with_a_command_are_one_line(capsys):
    line = one_line(["draw", "residual", "--axes", "height,width,channels"], capsys)
    assert "goes with a network" in line
    line = one_line(["signal", "nets.py:Steps", "--input", "4x12", "--axes", "time,batch,channels"], capsys)
    assert "expected the batch first" in line


def test_data_are_turned_to_the_axes(tmp_path, capsys):
    x = np.random.default_rng(0).normal(size=(40, 12, 20)).astype("float32")
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(40) % 2)
    data = ("--data", "data.npz", "--layout", "channels-first")
    told = run(capsys, "signal", "nets.py:Time", *data, "--axes", "time,features", "--batch-size", "8")
    assert "8 examples of data" in told.out
    batch = torch.from_numpy(x)
    assert torch.equal(arranged(batch, "time,channels"), batch.transpose(1, 2))
    assert torch.equal(arranged(batch[:, :1], "length"), batch[:, 0])
    assert arranged(batch, None) is batch
    line = one_line(
        ["signal", "nets.py:Wave", "--data", "data.npz", "--layout", "channels-first", "--axes", "length"],
        capsys,
    )
    assert "names no channels, and the examples have 12" in line

"""Placement: what it refuses, and the layouts that it gives."""

import subprocess
import sys

import pytest
import torch
from msgspec.structs import replace as replace_record
from torch import nn

from convblocks.blocks import ResidualBlock
from convblocks.errors import OptionError
from convblocks.training import Placement, train
from tests.training.test_loop import RECIPE, data, net


@pytest.mark.parametrize(
    ("devices", "device", "message"),
    [
        (0, "gpu", "expected cpu, cuda or cuda:N, e.g. cuda:1"),
        (0, "", "expected cpu, cuda or cuda:N"),
        (0, None, "expected cpu, cuda or cuda:N"),
        (0, "cuda:", "expected cpu, cuda or cuda:N"),
        (0, "cpu:0", "expected cpu, cuda or cuda:N"),
        (0, "cuda:0", "torch finds no CUDA device here; use cpu"),
        (2, "cuda:01", "expected cpu, cuda or cuda:N"),
        (2, "cuda:-1", "expected cpu, cuda or cuda:N"),
        (2, "cuda:\u0661", "expected cpu, cuda or cuda:N"),
        (2, "cuda:1\n", "expected cpu, cuda or cuda:N"),
        (2, "cuda:2", "torch finds no such CUDA device here; use cuda:0 to cuda:1"),
        (1, "cuda:1", "torch finds no such CUDA device here; use cuda:0"),
    ],
)
def test_devices_that_are_refused(devices, device, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    with pytest.raises(OptionError) as refused:
        Placement(device)
    assert str(refused.value).startswith(f"device={device!r}: {message}")


@pytest.mark.parametrize(("devices", "device"), [(0, "cpu"), (1, "cuda"), (2, "cuda:0"), (12, "cuda:11")])
def test_devices_that_torch_knows(devices, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)
    assert torch.device(Placement(device).device) == torch.device(device)


def test_a_layout_that_does_not_exist_is_refused():
    with pytest.raises(OptionError, match=r"^layout='channels-last': expected "):
        Placement(layout="channels-last")


@pytest.mark.parametrize("layout", ["channels_last", "contiguous"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_images_alone_have_their_channels_last(dims, layout):
    """Seen in the strides, which tell even where a format's flag is ambiguous."""
    placement = Placement(layout=layout)
    convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1](3, 4, 3)
    example = placement.place_examples(torch.zeros(2, 3, *(5,) * dims))
    placement.place(convolution, example.ndim)
    last = dims == 2 and layout == "channels_last"
    assert (example.stride(1) == 1) == last
    assert (convolution.weight.stride(1) == 1) == last


@pytest.mark.parametrize(("in_channels", "layout"), [(4, "contiguous"), (8, "channels_last")])
def test_training_is_contiguous_where_a_shortcut_would_crash(in_channels, layout):
    block = ResidualBlock(in_channels, 8, stride=2)
    assert Placement().for_training(block) == Placement(layout=layout)
    assert Placement(layout="contiguous").for_training(block) == Placement(layout="contiguous")


def test_training_and_evaluation_are_in_the_placements_layout():
    """The first convolution sees each batch in it, in training and in eval mode."""
    for layout, last in (("channels_last", True), ("contiguous", False)):
        module, layouts = net(), set()
        module[0].register_forward_pre_hook(
            lambda layer, inputs, layouts=layouts: layouts.add((layer.training, inputs[0].stride(1) == 1))
        )
        recipe = replace_record(RECIPE, epochs=1, augment="none")
        train(module, data(), data(seed=1), recipe, seed=0, placement=Placement(layout=layout))
        assert layouts == {(True, last), (False, last)}


NARROW = """
import numpy as np, torch
from torch import nn
from convblocks import Recipe, ResidualBlock
from convblocks.data import Split
from convblocks.training import train
torch.set_num_threads(1)
x = np.random.default_rng(0).normal(size=(64, 4, 32, 32)).astype(np.float32)
data = Split(x, np.arange(64) % 2)
net = nn.Sequential(ResidualBlock(4, 8, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
train(net, data, data, Recipe(epochs=20, batch_size=32), seed=0)
"""


def test_narrow_shortcuts_train(tmp_path):
    """In channels last this ended in heap corruption nine times of ten."""
    found = subprocess.run([sys.executable, "-c", NARROW], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr

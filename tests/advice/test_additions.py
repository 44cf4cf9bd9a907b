"""CB202 where channels do not fit, with torch's own refusal or its silent broadcast beside it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import advise
from tests.analysis.trace.test_fitting import UNet


class Block(nn.Module):
    def __init__(self, given, out, stride=1, *, dims=2, projection=None):
        super().__init__()
        conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
        self.a, self.b = conv(given, out, 3, stride, 1), conv(out, out, 3, padding=1)
        self.projection = projection or nn.Identity()

    def forward(self, x):
        return F.relu(self.b(F.relu(self.a(x))) + self.projection(x))


def unfit(module, size):
    return [finding for finding in advise(module, size) if finding.id == "CB202"]


@pytest.mark.parametrize(
    ("stride", "dims", "size", "layer"),
    [
        (1, 2, (6, 9, 8), nn.Conv2d(6, 8, 1)),
        (2, 2, (6, 9, 8), nn.Conv2d(6, 8, 1, stride=2)),
        (3, 1, (6, 10), nn.Conv1d(6, 8, 1, stride=3)),
        (2, 3, (6, 5, 6, 7), nn.Conv3d(6, 8, 1, stride=2)),
    ],
)
def test_a_missing_projection_with_its_channels_and_stride(stride, dims, size, layer):
    (found,) = unfit(Block(6, 8, stride, dims=dims), size)
    stride_in_words = f", stride={stride}" if stride > 1 else ""
    assert found.severity == "error"
    assert found.fix == f"nn.Conv{dims}d(6, 8, 1{stride_in_words}) on the shortcut"
    with pytest.raises(RuntimeError):
        Block(6, 8, stride, dims=dims)(torch.rand(1, *size))
    Block(6, 8, stride, dims=dims, projection=layer)(torch.rand(1, *size))
    assert not [
        f for f in unfit(Block(6, 8, stride, dims=dims, projection=layer), size) if f.severity == "error"
    ]


def test_a_stride_without_a_projection():
    (found,) = unfit(Block(6, 6, 2), (6, 8, 8))
    assert found.fix == "nn.Conv2d(6, 6, 1, stride=2) on the shortcut"


def test_one_channel_that_is_spread_over_all_in_silence():
    (found,) = unfit(nn.Sequential(Block(1, 16), Block(16, 16)), (1, 8, 8))
    assert (found.place, found.severity, found.fix) == (
        "0",
        "warning",
        "nn.Conv2d(1, 16, 1) on the shortcut",
    )
    x = torch.rand(1, 1, 8, 8)
    assert Block(1, 16)(x).shape == (1, 16, 8, 8)
    assert not unfit(Block(1, 16, projection=nn.Conv2d(1, 16, 1)), (1, 8, 8))


class Biased(nn.Module):
    """One channel that is meant to go to all: a layer makes it, or it masks the scores of attention."""

    def __init__(self):
        super().__init__()
        self.maps, self.gate, self.qkv = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 1, 1), nn.Linear(8, 24)

    def forward(self, x):
        maps = self.maps(x)
        maps = maps + torch.sigmoid(self.gate(maps))
        q, k, v = (t.unflatten(2, (2, 4)).transpose(1, 2) for t in self.qkv(maps.flatten(2).mT).chunk(3, -1))
        mask = (x.mean(1).flatten(1) > 0).float()[:, None, None]
        return (q @ k.mT + mask).softmax(-1) @ v


def test_one_channel_that_is_meant_for_all():
    assert not unfit(Biased(), (3, 4, 4))


@pytest.mark.parametrize("adds", [False, True])
def test_the_levels_of_a_u_net_say_which_sizes_fit(adds):
    (found,) = [f for f in unfit(UNet(3, adds=adds), (3, 36, 44)) if f.severity == "error"]
    assert found.fix == "give sizes that are multiples of 8, e.g. 3×40×48"

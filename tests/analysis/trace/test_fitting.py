"""Sizes that let maps meet, against what real torch takes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import analyze
from convblocks.analysis import trace
from convblocks.analysis.trace.fitting import depths, projection
from convblocks.errors import TraceError

Conv = nn.Conv2d


class UNet(nn.Module):
    """Down by `step` `depth` times and up again, each level joined to the one across."""

    def __init__(self, depth, step=2, *, adds=False):
        super().__init__()
        self.step, self.adds = step, adds
        self.first = Conv(3, 4, 1)
        self.down = nn.ModuleList([Conv(4, 4, 3, padding=1) for _ in range(depth)])
        self.up = nn.ModuleList([Conv(4 if adds else 8, 4, 3, padding=1) for _ in range(depth)])

    def forward(self, x):
        x, across = self.first(x), []
        for layer in self.down:
            across.append(layer(x))
            x = F.max_pool2d(across[-1], self.step)
        for layer in self.up:
            x = F.interpolate(x, scale_factor=float(self.step))
            x = layer(x + across.pop() if self.adds else torch.cat([x, across.pop()], 1))
        return x


@pytest.mark.parametrize("adds", [False, True])
@pytest.mark.parametrize(
    ("depth", "step", "size", "multiple"),
    [(4, 2, (100, 90), 16), (3, 2, (33, 33), 8), (1, 2, (7, 8), 2), (2, 3, (28, 28), 9)],
)
def test_the_multiple_that_sizes_must_be(depth, step, size, multiple, adds):
    net = UNet(depth, step, adds=adds)
    fits = "×".join(str(-(-n // multiple) * multiple) for n in size)
    with pytest.raises(TraceError, match=f"; give sizes that are multiples of {multiple}, e.g. 3×{fits}$"):
        analyze(net, (3, *size))
    with pytest.raises(RuntimeError):
        net(torch.rand(1, 3, *size))
    net(torch.rand(1, 3, *map(int, fits.split("×"))))


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((1, 3, 8), (1, 5, 4)),
        ((1, 3, 9, 9), (1, 3, 5, 5)),
        ((1, 3, 9, 8), (1, 5, 9, 4)),
        ((1, 3, 4, 6, 6), (1, 2, 4, 2, 2)),
        ((1, 7), (1, 9)),
    ],
)
def test_a_projection_makes_the_one_map_of_the_other(given, wanted):
    """The text is code to paste, and runs as it is."""
    layer = eval(projection(given, wanted), {"nn": nn})  # noqa: S307
    assert layer(torch.empty(given)).shape == wanted


def test_no_projection_enlarges_a_map_or_stands_for_nothing():
    assert projection((1, 3, 4, 4), (1, 3, 8, 8)) == ""
    assert projection((1, 3, 4, 4), (1, 3, 4, 4)) == ""


def test_depth_counts_the_layers_of_the_longest_way():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Conv1d(2, 2, 1) for _ in range(4)])

        def forward(self, x):
            a, b, c, d = self.layers
            return d(torch.relu(c(b(a(x)))) + a(x))

    seen = trace(Branches(), (2, 5))
    assert depths(seen)[seen.output.number] == 4

"""The order in which a training step takes and gives back memory, against what the allocator gives out."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from convblocks.analysis import trace
from convblocks.analysis.memory.timeline import Buffers, Timeline
from convblocks.analysis.trace.graph import Value
from tests.analysis.memory.allocator import check, predicted_bytes, stack


class Chain(nn.Module):
    """Convolutions, in segments of three that may be checkpointed."""

    def __init__(self, run):
        super().__init__()
        self.segments = nn.ModuleList([self.segment(3 if i == 0 else 16) for i in range(4)])
        self.run = run

    def segment(self, channels):
        widths = (channels, 16, 16)
        return nn.Sequential(*[m for c in widths for m in (nn.Conv2d(c, 16, 3, padding=1), nn.GELU())])

    def forward(self, x):
        for segment in self.segments:
            x = self.run(segment, x)
        return x.mean((2, 3))


def again(segment, x):
    return checkpoint(segment, x, use_reentrant=False)


def plainly(segment, x):
    return segment(x)


def test_checkpointed_segments_run_twice_and_keep_their_inputs():
    check(Chain(again), (3, 32, 32), error=0.02)
    check(Chain(plainly), (3, 32, 32))
    both = [predicted_bytes(Chain(how), (3, 32, 32), batch=8, optimizer="sgd") for how in (again, plainly)]
    assert both[0] < 0.6 * both[1]


class Function(nn.Module):
    """A module, since what a module is given is held until it is done."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Through(nn.Module):
    """A function between two convolutions."""

    def __init__(self, function):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 4, 1)
        self.function = Function(function)

    def forward(self, x):
        return self.last(self.function(self.first(x)))


FUNCTIONS = {
    "temporaries die": lambda x: (((x + 1) * 2.0 + 1) * 2.0 + 1) * 2.0,
    "in place they are not made": lambda x: (x + 1).mul_(2.0).add_(1).relu_(),
    "views": lambda x: x.flatten(2).transpose(1, 2).reshape(x.shape[0], 32, 32, 16).permute(0, 3, 1, 2) + 1,
    "branches": lambda x: F.silu(x) + F.gelu(x) + F.relu(x) + x,
    "joined": lambda x: torch.cat([x, F.silu(x)], 1)[:, ::2] * 2.0,
    "gates": lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
    "detached": lambda x: x + F.silu(x.detach()),
    "dropped": lambda x: F.dropout(x, 0.5) + 1,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_maps_live_until_their_last_reader(name):
    check(Through(FUNCTIONS[name]), (3, 32, 32), error=0.02)


@pytest.mark.parametrize("net", [stack("bottleneck", depth=3), Through(FUNCTIONS["dropped"]), Chain(again)])
def test_in_the_end_nothing_is_held_but_the_gradients(net):
    line = Timeline(trace(net, (3, 32, 32), batch=2), "AVX2")
    line.run()
    assert line.saved_bytes > 0
    assert (line.unseen, line.needed, line.maps, line.buffers.bytes) == (0, set(), set(), 0)
    assert line.gradients == sum(4 * p.numel() for p in net.parameters())


def test_two_gradients_that_others_hold_too_are_summed_in_a_third_buffer():
    """As in x + y where both come from one z unchanged: z's gradient is twice the sum's."""
    z = Value(0, (2, 3), torch.float32, 0)
    buffers = Buffers()
    given = buffers.new(z.bytes)
    assert not buffers.give(z, buffers.share(given))
    assert buffers.give(z, buffers.share(given))
    assert buffers.bytes == 2 * z.bytes
    buffers.drop(given)
    assert buffers.bytes == z.bytes
    assert not buffers.give(z, buffers.new(z.bytes))
    assert buffers.bytes == z.bytes

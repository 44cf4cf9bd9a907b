"""What positions see, against a plain list of it; sights that would grow without bound are given up."""

import random

from torch import nn
from torch.nn import functional as F

from convblocks.analysis import receptive_field, trace
from convblocks.analysis.fields import sight as sights
from convblocks.analysis.fields.sight import SELF, reading


class Resampled(nn.Module):
    """Convolutions, each resampled to sizes that share no factor."""

    def __init__(self, *sizes):
        super().__init__()
        self.sizes = sizes
        self.convs = nn.ModuleList(nn.Conv1d(2, 2, 3) for _ in sizes)

    def forward(self, x):
        for conv, size in zip(self.convs, self.sizes, strict=True):
            x = F.interpolate(conv(x), size=size, mode="linear")
        return x


def test_a_reading_sees_what_its_positions_see():
    draw = random.Random(0)
    for _ in range(200):
        sight = SELF
        seen = {i: (i, i) for i in range(-4000, 4000)}
        for _ in range(3):
            advance = draw.randint(1, 4)
            offsets = [[draw.randint(-3, 3) for _ in range(2)] for _ in range(draw.randint(1, 4))]
            offsets = [sorted(each) for each in offsets]
            sight = reading(sight, advance, offsets)
            assert sight is not None
            after = {}
            for i in range(-40, 40):
                q, r = divmod(i, len(offsets))
                read = [seen[advance * q + o] for o in offsets[r] if advance * q + o in seen]
                if len(read) == len(offsets[r]):
                    after[i] = min(lo for lo, _ in read), max(hi for _, hi in read)
            seen = after
            assert all(sight.at(i) == ends for i, ends in seen.items())


def test_a_period_that_multiplies_at_each_stage_is_given_up(monkeypatch):
    longest = []
    shortest = sights._shortest
    monkeypatch.setattr(sights, "_shortest", lambda s: longest.append(len(s.lows)) or shortest(s))
    assert receptive_field(trace(Resampled(127), (2, 131))) != (None,)
    assert receptive_field(trace(Resampled(127, 113, 109), (2, 131))) == (None,)
    assert 100 < max(longest) <= sights.LONGEST_PERIOD


class Mixed(nn.Module):
    def forward(self, x):
        return x.unflatten(2, (2, -1)).softmax(-1).flatten(2)


def test_a_mix_is_worked_out_once_for_all_its_positions(monkeypatch):
    read = []
    ends = sights._ends
    monkeypatch.setattr(sights, "_ends", lambda s, q, each: read.append(len(each)) or ends(s, q, each))
    assert receptive_field(trace(Mixed(), (1, 4096))) == ((1, -2047, 2047),)
    assert sum(read) < 3 * 4096

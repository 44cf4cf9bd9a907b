"""Axes of the input, followed through the ops of a trace."""

import torch
from torch import nn

from convblocks.analysis import receptive_field, trace


class _OddBranches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv1d(1, 1, 1, 2), nn.Conv1d(1, 1, 1, 1)

    def forward(self, x):
        return self.a(x) + self.b(x)[..., :4]


class _Warped(nn.Module):
    def forward(self, x):
        return torch.nn.functional.grid_sample(x, x.new_zeros(1, 3, 3, 2))


def test_what_no_rule_covers_is_unknown_rather_than_guessed():
    assert receptive_field(trace(_OddBranches(), (1, 8))) == (None,)
    assert receptive_field(trace(_Warped(), (1, 8, 8))) == (None, None)


def test_moved_axes_are_followed():
    class Moved(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, (1, 5), padding=(0, 2))

        def forward(self, x):
            return self.conv(x).transpose(2, 3).permute(0, 1, 3, 2)

    assert receptive_field(trace(Moved(), (1, 9, 9))) == ((1, 0, 0), (1, -2, 2))

"""A module that is only watched stays as it was, whatever its forward writes on it."""

import pytest
import torch
from torch import nn

from convblocks import advise, analyze


class Writes(nn.Module):
    """A counter, and positions kept in every way that networks keep them."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("table", torch.zeros(4, 2))
        self.register_buffer("late", None)
        self.positions, self.by_size, self.kept = None, {}, [1]

    def forward(self, x):
        y = self.conv(x)
        self.seen += 1
        self.table[0] = self.seen
        self.table[1].add_(self.seen)
        if self.positions is None:
            self.positions = torch.linspace(0, 1, y.shape[-1], device=y.device)
            self.late = self.positions * 2
            self.new = self.positions
        self.by_size.setdefault(y.shape[-1], self.positions)
        self.kept.append(self.positions)
        return y * self.by_size[y.shape[-1]] + self.late


@pytest.mark.parametrize("look", [analyze, advise])
def test_caches_counters_and_buffers_are_not_left_behind(look):
    net = Writes().train()
    look(net, (3, 8, 8))
    assert net.training
    assert (net.positions, net.late, net.by_size, net.kept) == (None, None, {}, [1])
    assert not hasattr(net, "new")
    assert net.seen == 0
    assert (net.table == 0).all()
    assert net(torch.zeros(1, 3, 6, 6)).shape == (1, 4, 6, 6)  # a real forward at another size
    assert net.seen == 1
    look(net, (3, 6, 6))
    assert net.seen == 1
    assert net.positions.device.type == "cpu"
    assert list(net.by_size) == [6]

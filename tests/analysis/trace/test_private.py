"""Private copies: what a forward writes on its module it reads back, and the module stays as it was."""

import torch
from torch import nn

from convblocks import analyze


def test_what_a_forward_writes_it_also_reads():
    """A counter that decides, and a mask that is made once, work while the module is analysed."""

    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros((), dtype=torch.int64))
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x):
            for _ in range(3):
                self.calls += 1
            assert self.calls.item() == 3
            self.calls.data = torch.tensor([5, 6])
            assert self.calls.tolist() == [5, 6]
            assert self.calls.shape == (2,)
            return self.conv(x)

    net = Counts()
    assert analyze(net, (3, 4, 4)).macs == 16 * 12
    assert net.calls == 0


def test_a_write_is_read_through_each_tensor_of_that_memory():
    class Shares(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("state", torch.zeros(2, 3))
            self.row, self.turned = self.state[1], self.state.t()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x):
            self.row.fill_(5)
            assert self.state[1].tolist() == [5, 5, 5]
            self.turned[0] += 2
            assert self.state.tolist() == [[2, 0, 0], [7, 5, 5]]
            assert self.row.sum().item() == 17
            return self.conv(x)

    net = Shares()
    assert analyze(net, (3, 4, 4)).macs == 16 * 12
    assert not net.state.any()

"""CB505 against autograd: a finding where backward raises, none where it runs."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from convblocks import advise


class Net(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.register_buffer("kept", torch.ones(4, 1, 1))
        self.conv, self.head, self.act = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), act

    def forward(self, x):
        return self.head(self.act(self, self.conv(x)))


def _gate(net, x):
    g = torch.sigmoid(x)
    g += 0.5
    return x * g


def _shared(net, x):
    y = net.head(x)
    return y + F.relu(x, inplace=True)


def _indexed(net, x):
    y = x.exp()
    y[:, 0] = 0
    return y


def _view(net, x):
    y = x.tanh()
    y.flatten(1).mul_(2)
    return y


def _after_copy(net, x):
    g = torch.sigmoid(x).clone()
    g += 0.5
    return x + g


def _buffer(net, x):
    y = x * net.kept
    net.kept.mul_(0.9)
    return y


def _weight(net, x):
    y = net.head(x)
    with torch.no_grad():
        net.head.weight.clamp_(-1, 1)
    return y


def _buffer_before(net, x):
    net.kept.mul_(0.9)
    return x * net.kept


def _residual(net, x):
    y = F.relu(x, inplace=True)
    z = net.head(y)
    z += y
    return F.relu(z, inplace=True)


ACTS = {
    "gate": _gate,
    "shared": _shared,
    "indexed": _indexed,
    "view": _view,
    "sum of relu": lambda net, x: F.relu(x).add_(x),
    "dropout": lambda net, x: F.dropout(F.relu(x), 0.5, net.training, inplace=True),
    "dropout of channels": lambda net, x: F.dropout2d(
        x.sigmoid(), p=0.5, training=net.training, inplace=True
    ),
    "dropout of nothing": lambda net, x: F.dropout(x.softmax(1), 0.0, net.training, inplace=True),
    "nothing by a layer": lambda net, x: nn.Dropout2d(0.0, inplace=True)(x.sigmoid()),
    "square root": lambda net, x: torch.relu_(torch.sqrt(x.square() + 1)),
    "buffer": _buffer,
    "weight": _weight,
    "buffer before": _buffer_before,
    "checkpointed write": lambda net, x: checkpoint(lambda y: torch.sigmoid(y), x, use_reentrant=False).add_(
        1
    ),
    "copied": _after_copy,
    "residual": _residual,
    "leaky": lambda net, x: F.leaky_relu(x, 0.1, inplace=True),
    "silu": lambda net, x: F.silu(x, inplace=True),
    "data": lambda net, x: F.relu(x) + x.sigmoid().data.mul_(2),
    "detached": lambda net, x: x.sigmoid().detach().clone().mul_(x),
    "checkpointed": lambda net, x: checkpoint(lambda y: torch.sigmoid(y) * y, x, use_reentrant=False),
}
RAISING = {
    "buffer",
    "weight",
    "gate",
    "shared",
    "indexed",
    "view",
    "sum of relu",
    "dropout",
    "dropout of channels",
    "square root",
}


@pytest.mark.parametrize("act", ACTS)
def test_a_write_is_named_where_backward_raises(act):
    net = Net(ACTS[act])
    try:
        net(torch.randn(2, 3, 4, 4)).square().sum().backward()
        raises = False
    except RuntimeError as error:
        assert "inplace operation" in str(error)
        raises = True
    assert raises == (act in RAISING)
    found = advise(net, (3, 4, 4), select="CB505")
    assert [finding.severity for finding in found] == ["error"] * raises
    assert all("overwrites in place" in finding.message and "new tensor" in finding.fix for finding in found)

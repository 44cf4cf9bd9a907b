"""Copies of whole modules: their weights, and what of them cannot be copied."""

import threading

import torch
from torch import nn

from convblocks.analysis.trace.duplicate import copy_of
from convblocks.signal import signal


def test_what_cannot_be_copied_is_shared():
    class Locked(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.lock, self.library = nn.Conv2d(3, 4, 3), threading.Lock(), torch

        def forward(self, x):
            with self.lock:
                return self.conv(x)

    net = Locked()
    assert len(signal(net, torch.randn(4, 3, 8, 8)).layers) == 1
    assert not net.lock.locked()


def test_a_copy_is_of_the_weights_and_each_of_them_learns():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).requires_grad_(False)
    before, x = net[0].weight.clone(), torch.randn(2, 3, 5, 5)
    copy = copy_of(net)
    assert torch.equal(copy.eval()(x), net.eval()(x))
    copy(x).sum().backward()
    assert all(p.grad is not None for p in copy.parameters())
    with torch.no_grad():
        copy[0].weight.zero_()
    assert torch.equal(net[0].weight, before)
    assert not any(p.requires_grad or p.grad is not None for p in net.parameters())

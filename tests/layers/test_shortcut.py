"""Shortcuts read what their kind says."""

import pytest
import torch
from torch import nn

from convblocks import (
    ResidualBlock,
)
from convblocks.errors import OptionError
from convblocks.networks.zoo import ZOO


def test_average_shortcut_reads_every_input():
    block = ResidualBlock(2, 2, stride=2, shortcut="average", norm="none")
    for parameter in block.main.parameters():
        nn.init.zeros_(parameter)
    x = torch.ones(1, 2, 5, 5, requires_grad=True)
    block.shortcut(x).sum().backward()
    assert (x.grad != 0).all()


def test_a_shortcut_of_zeros_skips_and_fills():
    block = ZOO["cifar_resnet20"]().stages[1].block.build(16, 32, 2).eval()
    x = torch.rand(2, 16, 7, 7)
    short = block.shortcut(x)
    assert torch.equal(short[:, :16], x[:, :, ::2, ::2])
    assert not short[:, 16:].any()
    assert block(x).shape == (2, 32, 4, 4)
    with pytest.raises(OptionError, match=r"shortcut='zeros': .*in_channels=16, out_channels=8"):
        type(block)(16, 8, shortcut="zeros")

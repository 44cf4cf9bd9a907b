"""Where shortcuts are put: around layers that keep the shape, not inside what adds already."""

import pytest
import torch
from torch import nn

from convblocks import ResidualBlock
from convblocks.errors import TraceError
from convblocks.signal.shortcuts import Shortcut, add_shortcuts_

X = torch.randn(2, 4, 6, 6)


def convolutions(module):
    return {name for name, part in module.named_modules() if isinstance(part, nn.Conv2d)}


def test_two_layers_go_under_one_shortcut_and_indices_stay():
    net = nn.Sequential(*[nn.Conv2d(4, 4, 3, padding=1) for _ in range(5)])
    layers, before = convolutions(net), [*net]
    assert add_shortcuts_(net, X, layers) == "3 shortcuts, branches scaled by 1/√3"
    assert [type(part) for part in net] == [Shortcut, nn.Identity, Shortcut, nn.Identity, Shortcut]
    assert net[0].branch[0] is before[0]
    assert net[4].branch is before[4]


def test_what_adds_already_or_changes_the_shape_is_left():
    net = nn.Sequential(ResidualBlock(4, 4), nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 8, 3))
    with pytest.raises(TraceError, match="keeps the shape"):
        add_shortcuts_(net.eval(), X, convolutions(net))
    assert not any(isinstance(part, Shortcut) for part in net.modules())

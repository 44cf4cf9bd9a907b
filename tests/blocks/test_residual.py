"""The residual block beside torchvision's."""

from importlib import import_module

import pytest
import torch
from torch import nn

from convblocks import ResidualBlock
from convblocks.targets.zoos import with_operators

BasicBlock = with_operators(lambda: import_module("torchvision.models.resnet")).BasicBlock


@pytest.mark.parametrize(("channels", "stride"), [((64, 64), 1), ((64, 128), 2)])
def test_outputs_are_torchvision_s_with_its_weights(channels, stride):
    torch.manual_seed(0)
    projection = nn.Sequential(nn.Conv2d(*channels, 1, stride, bias=False), nn.BatchNorm2d(channels[1]))
    theirs = BasicBlock(*channels, stride, projection if stride > 1 else None).eval()
    ours = ResidualBlock(*channels, stride=stride).eval()
    values = iter(theirs.state_dict().values())
    ours.load_state_dict({key: next(values) for key in ours.state_dict()})
    x = torch.randn(2, channels[0], 9, 9)
    torch.testing.assert_close(ours(x), theirs(x))


def test_zero_init_starts_as_its_shortcut():
    x = torch.rand(2, 8, 5, 5)
    torch.testing.assert_close(ResidualBlock(8, 8, depth=3, zero_init=True)(x), x)

"""The pre-activation bottleneck against the hand-written one and ResNet-164's and ResNet-1001's published size."""

import pytest
import torch
from torch import nn

from convblocks import PreActivationBottleneckBlock
from convblocks.errors import OptionError
from tests.blocks.test_families import copy_in_order, scramble


class HandBottleneck(nn.Module):
    """As in the paper's preresnet.lua: both paths behind the first norm where the block changes the map."""

    def __init__(self, in_channels, out_channels, stride, groups=1):
        super().__init__()
        middle = out_channels // 4
        self.bn1, self.conv1 = nn.BatchNorm2d(in_channels), nn.Conv2d(in_channels, middle, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, 1, groups=groups, bias=False)
        self.bn3, self.conv3 = nn.BatchNorm2d(middle), nn.Conv2d(middle, out_channels, 1, bias=False)
        self.shortcut = None
        if in_channels != out_channels or stride != 1:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x):
        out = self.bn1(x).relu()
        kept = self.shortcut(out) if self.shortcut else x
        out = self.conv2(self.bn2(self.conv1(out)).relu())
        return self.conv3(self.bn3(out).relu()) + kept


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(16, 16, 1), (16, 16, 2), (4, 16, 1), (16, 32, 2)])
def test_equals_the_hand_written_block_with_its_weights(inputs, outputs, stride, groups):
    torch.manual_seed(0)
    theirs = HandBottleneck(inputs, outputs, stride, groups)
    ours = PreActivationBottleneckBlock(inputs, outputs, stride=stride, groups=groups)
    scramble(theirs)
    copy_in_order(theirs, ours)
    x = torch.randn(2, inputs, 9, 12)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    assert torch.equal(ours.train()(x), theirs.train()(x))


@pytest.mark.parametrize(("depth", "millions"), [(164, 1.7), (1001, 10.2)])
def test_parameters_of_the_published_networks(depth, millions):
    """He et al. 2016b, table 4: the CIFAR networks of three stages, without the norms (with them 1001 has 10.3 M)."""
    with torch.device("meta"):
        blocks = [nn.Conv2d(3, 16, 3, bias=False)]
        channels = 16
        for stage, width in enumerate((64, 128, 256)):
            for i in range((depth - 2) // 9):
                stride = 2 if stage and i == 0 else 1
                blocks.append(PreActivationBottleneckBlock(channels, width, stride=stride))
                channels = width
        network = nn.Sequential(*blocks, nn.BatchNorm2d(256), nn.ReLU(), nn.Linear(256, 10))
    assert round(sum(p.numel() for p in network.parameters() if p.ndim > 1) / 1e6, 1) == millions


def test_refusals():
    with pytest.raises(OptionError, match=r"depth=2: .*at least 3.*ResidualBlock"):
        PreActivationBottleneckBlock(4, 16, depth=2)
    with pytest.raises(OptionError, match=r"groups=3: must divide the 4 channels.*out_channels=12 would fit"):
        PreActivationBottleneckBlock(4, 16, groups=3)
    with pytest.raises(OptionError, match="padding=0: breaks the addition"):
        PreActivationBottleneckBlock(4, 16, padding=0)

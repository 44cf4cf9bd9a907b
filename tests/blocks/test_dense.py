"""The dense block against torchvision's DenseNet and the refusals."""

from importlib import import_module

import pytest
import torch
from torch import nn

from convblocks import DenseBlock
from convblocks.errors import OptionError
from convblocks.targets.zoos import with_operators
from tests.blocks.test_families import copy_in_order, scramble


class HandDense(nn.Module):
    """DenseNet without bottleneck: all earlier outputs are kept and put together anew for each layer."""

    def __init__(self, inputs, outputs, layers, growth):
        super().__init__()
        self.layers = nn.ModuleList()
        for i in range(layers):
            channels = inputs + i * growth
            conv = nn.Conv2d(channels, growth, 3, padding=1, bias=False)
            self.layers.append(nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), conv))
        channels = inputs + layers * growth
        self.transition = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, outputs, 1, bias=False),
            nn.AvgPool2d(2, 2),
        )

    def forward(self, x):
        maps = [x]
        for layer in self.layers:
            maps.append(layer(torch.cat(maps, 1)))
        return self.transition(torch.cat(maps, 1))


def test_equals_the_hand_written_block_with_its_weights():
    torch.manual_seed(0)
    theirs, ours = HandDense(6, 10, 3, 5), DenseBlock(6, 10, stride=2, depth=4, growth=5)
    scramble(theirs)
    copy_in_order(theirs, ours)
    x = torch.randn(2, 6, 8, 12)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    assert torch.equal(ours.train()(x), theirs.train()(x))


def test_equals_the_first_block_of_torchvision_s_densenet_121_with_its_weights():
    densenet = with_operators(lambda: import_module("torchvision.models.densenet")).densenet121()
    theirs = nn.Sequential(densenet.features.denseblock1, densenet.features.transition1)
    torch.manual_seed(0)
    ours = DenseBlock(64, 128, stride=2, depth=13, bottleneck=True)  # 6 layers, growth 32
    scramble(theirs)
    copy_in_order(theirs, ours)
    x = torch.randn(2, 64, 8, 12)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("outputs", "growth"), [(1, 1), (3, 1), (16, 4), (18, 4), (128, 32)])
def test_a_quarter_of_the_channels_grows(outputs, growth):
    block = DenseBlock(5, outputs, depth=3)
    assert [layer.conv.out_channels for layer in block.layers] == [growth] * 2
    assert block.transition.conv.in_channels == 5 + 2 * growth


def test_the_pool_averages_only_what_is_there():
    """An odd map: DenseNet's own pool would cut the last row off."""
    block = DenseBlock(1, 1, stride=2, depth=2, norm="none", activation="none", dims=1)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    block.transition.conv.weight.data[0, 0] = 1
    assert block(torch.tensor([[[1.0, 3, 5, 7, 9]]])).flatten().tolist() == [2, 6, 9]


REFUSALS = [
    ({"depth": 1}, r"depth=1: .*at least 2: a convolution for each layer, and the transition's 1×1"),
    ({"depth": 2, "bottleneck": True}, r"depth=2: .*at least 3: 1×1 and k×k for each layer"),
    ({"depth": 4, "bottleneck": True}, r"depth=4: expected an odd number with a bottleneck, as 3 or 5"),
    ({"growth": 0}, r"growth=0: .*at least 1"),
    ({"kernel_size": 4}, r"kernel_size=4: .*3 or 5"),
    ({"stride": 0}, r"stride=0: .*at least 1"),
]


@pytest.mark.parametrize(("options", "message"), REFUSALS)
def test_what_cannot_work_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        DenseBlock(4, 8, **options)

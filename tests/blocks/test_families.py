"""The first three families against hand-written blocks and closed forms."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import (
    BLOCKS,
    BottleneckBlock,
    ResidualBlock,
    ResNeXtBlock,
    SimpleConvBlock,
)
from convblocks.blocks.block_spec import block_options


def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """The tensors of one state dict into another, by order alone."""
    ours = target.state_dict()
    theirs = list(source.state_dict().values())
    assert len(ours) == len(theirs)
    target.load_state_dict(dict(zip(ours, theirs, strict=True)))


def scramble(module: nn.Module) -> None:
    """Norm scales and running statistics away from 1 and 0, so that nothing cancels."""
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    for parameter in module.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.5, 1.5)


class HandSimple(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, padding=1, depth=3):
        super().__init__()
        layers = []
        for i in range(depth):
            layers += [
                nn.Conv2d(
                    out_channels if i else in_channels, out_channels, kernel_size, 1 if i else stride, padding
                ),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(inplace=True),
            ]
        self.block = nn.Sequential(*layers)

    def forward(self, x):
        return self.block(x)


class HandResidual(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, padding=1, depth=2):
        super().__init__()
        layers = []
        for i in range(depth):
            layers += [
                nn.Conv2d(
                    out_channels if i else in_channels, out_channels, kernel_size, 1 if i else stride, padding
                ),
                nn.BatchNorm2d(out_channels),
            ]
            if i < depth - 1:
                layers.append(nn.ReLU(inplace=True))
        self.block = nn.Sequential(*layers)
        self.skip = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.skip = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x):
        return F.relu(self.block(x) + self.skip(x))


class HandBottleneck(nn.Module):
    def __init__(self, in_channels, out_channels, expansion=4, kernel_size=3, stride=1, padding=1, groups=1):
        super().__init__()
        mid = out_channels // expansion
        self.conv1, self.bn1 = nn.Conv2d(in_channels, mid, 1), nn.BatchNorm2d(mid)
        self.conv2 = nn.Conv2d(mid, mid, kernel_size, stride, padding, groups=groups)
        self.bn2 = nn.BatchNorm2d(mid)
        self.conv3, self.bn3 = nn.Conv2d(mid, out_channels, 1), nn.BatchNorm2d(out_channels)
        self.skip = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.skip = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = F.relu(self.bn2(self.conv2(out)))
        return F.relu(self.bn3(self.conv3(out)) + self.skip(x))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [(3, 64), (64, 64)])
@pytest.mark.parametrize(
    ("hand", "ours", "options"),
    [
        (HandSimple, SimpleConvBlock, {"depth": 1}),
        (HandSimple, SimpleConvBlock, {"depth": 4, "kernel_size": 5, "padding": 2}),
        (HandResidual, ResidualBlock, {"depth": 2}),
        (HandResidual, ResidualBlock, {"depth": 3, "kernel_size": 5, "padding": 2}),
        (HandBottleneck, BottleneckBlock, {}),
        (HandBottleneck, BottleneckBlock, {"groups": 4, "expansion": 2}),
    ],
)
def test_equals_the_hand_written_block_with_its_weights(hand, ours, options, channels, stride):
    torch.manual_seed(0)
    theirs = hand(*channels, stride=stride, **options)
    scramble(theirs)
    block = ours(*channels, stride=stride, bias=True, **options)
    copy_in_order(theirs, block)
    x = torch.randn(2, channels[0], 13, 16)
    assert torch.equal(block.eval()(x), theirs.eval()(x))
    assert torch.equal(block.train()(x), theirs.train()(x))


@pytest.mark.parametrize("family", BLOCKS.values(), ids=BLOCKS)
def test_the_article_s_first_example(family):
    channels = 4 if family is BLOCKS["reversible"] else 3  # which come in halves
    assert family(channels, 64)(torch.zeros(1, channels, 32, 32)).shape == (1, 64, 32, 32)


@pytest.mark.parametrize("family", [BLOCKS[name] for name in BLOCKS if "norm" in block_options(name)])
def test_a_norm_makes_the_bias_superfluous(family):
    convolutions = [m for m in family(4, 8).modules() if isinstance(m, nn.Conv2d)]
    assert all(conv.bias is None for conv in convolutions)
    plain = [m for m in family(4, 8, norm="none").modules() if isinstance(m, nn.Conv2d)]
    assert all(conv.bias is not None for conv in plain)


@pytest.mark.parametrize("family", [ResidualBlock, BottleneckBlock, ResNeXtBlock])
def test_zero_init_starts_as_the_shortcut(family):
    x = torch.randn(2, 8, 6, 6)
    assert torch.equal(family(8, 8, zero_init=True)(x), x.relu())


def test_settings_per_axis():
    block = ResidualBlock(2, 4, kernel_size=(1, 3, 5), stride=(1, 2, 2), dims=3)
    assert block(torch.zeros(2, 2, 4, 9, 8)).shape == (2, 4, 4, 5, 4)

"""The pre-activation block against the hand-written one."""

import pytest
import torch
from torch import nn

from convblocks import PreActivationBlock
from convblocks.errors import OptionError
from convblocks.layers import ACTIVATIONS, NORMS
from tests.blocks.test_families import copy_in_order, scramble


class HandPreActivation(nn.Module):
    """The widespread PyTorch version of Wide ResNet's basic block."""

    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.equal = in_channels == out_channels and stride == 1
        self.shortcut = None if self.equal else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x):
        out = torch.relu(self.bn1(x))
        kept = x if self.equal else self.shortcut(out)
        return self.conv2(torch.relu(self.bn2(self.conv1(out)))) + kept


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(8, 8, 1), (8, 8, 2), (8, 12, 1), (8, 12, 2)])
def test_equals_the_hand_written_block_with_its_weights(inputs, outputs, stride):
    torch.manual_seed(0)
    theirs, ours = HandPreActivation(inputs, outputs, stride), PreActivationBlock(inputs, outputs, 3, stride)
    scramble(theirs)
    copy_in_order(theirs, ours)
    x = torch.randn(2, inputs, 9, 12)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    assert torch.equal(ours.train()(x), theirs.train()(x))


def test_a_stack_passes_the_signal_on_unchanged():
    """Figure 4e: with nothing on the main paths, 20 blocks are the identity, negative values too."""
    stack = nn.Sequential(*(PreActivationBlock(4, 4, depth=3) for _ in range(20)))
    for block in stack:
        nn.init.zeros_(block.main[-1].conv.weight)
    x = torch.randn(2, 4, 7, 7)
    assert torch.equal(stack(x), x)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_each_convolution_has_a_norm_before_it(depth):
    block = PreActivationBlock(3, 8, stride=2, depth=depth, dims=1)
    kinds = [type(m) for m in block.modules() if isinstance(m, nn.Conv1d | nn.BatchNorm1d)]
    assert kinds == [nn.BatchNorm1d, *[nn.Conv1d, nn.BatchNorm1d] * (depth - 1), nn.Conv1d, nn.Conv1d]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", NORMS)
def test_the_shortcut_reads_the_input_as_it_came(norm, activation):
    """An activation in place would change what the shortcut adds."""
    block = PreActivationBlock(4, 4, norm=norm, activation=activation)
    for parameter in block.main.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x.clone()), x)


def test_refusals():
    with pytest.raises(OptionError, match="padding=0: breaks the addition"):
        PreActivationBlock(4, 8, padding=0)
    with pytest.raises(OptionError, match=r"depth=0: .*at least 1"):
        PreActivationBlock(4, 8, depth=0)
    with pytest.raises(OptionError, match="groups=3: must divide in_channels=4 and out_channels=8"):
        PreActivationBlock(4, 8, groups=3)

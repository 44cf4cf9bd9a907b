"""Scratch memory of kernels of all kinds, on this machine, against what the allocator gives out."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from convblocks.analysis.memory import processor
from convblocks.measure import threads_of
from tests.analysis.memory.allocator import check

SHAPES = {
    "depthwise": (nn.Conv2d(48, 48, 3, padding=1, groups=48), (48, 16, 16)),
    "wide depthwise": (nn.Conv2d(48, 48, 7, padding=3, groups=48), (48, 16, 16)),
    "groups": (nn.Conv2d(64, 128, 3, padding=1, groups=4), (64, 16, 16)),
    "narrow groups": (nn.Conv2d(64, 64, 3, padding=1, groups=32), (64, 16, 16)),
    "strided": (nn.Conv2d(24, 48, 3, stride=2, padding=1), (24, 32, 32)),
    "strided point": (nn.Conv2d(32, 64, 1, stride=2), (32, 32, 32)),
    "odd channels": (nn.Conv2d(10, 20, 3, padding=1), (10, 24, 24)),
    "dilated": (nn.Conv2d(32, 32, 3, padding=2, dilation=2), (32, 24, 24)),
    "dilated and strided": (nn.Conv2d(32, 32, 3, padding=2, dilation=2, stride=2), (32, 24, 24)),
    "large kernel": (nn.Conv2d(16, 32, 9, padding=4), (16, 32, 32)),
    "signal": (nn.Conv1d(16, 32, 5, padding=2), (16, 500)),
    "volume": (nn.Conv3d(16, 32, 3, padding=1), (16, 12, 12, 12)),
    "strided volume": (nn.Conv3d(16, 32, 2, stride=2), (16, 12, 12, 12)),
    "same": (nn.Conv2d(16, 24, 3, padding="same"), (16, 20, 20)),
    "transposed": (nn.ConvTranspose2d(32, 16, 2, stride=2), (32, 16, 16)),
    "transposed volume": (nn.ConvTranspose3d(16, 8, 3, padding=1), (16, 8, 8, 8)),
}


LAST = {3: torch.channels_last, 4: torch.channels_last_3d}  # by the number of an example's axes


def behind_a_point(name):
    """A layer whose input needs a gradient, and the size of that input."""
    layer, size = SHAPES[name]
    point = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(size) - 2](size[0], size[0], 1)
    return nn.Sequential(point, deepcopy(layer)), size


# with two threads, measured on AVX2 only
@pytest.mark.parametrize("threads", [1, 2] if processor.instruction_set() == "AVX2" else [1])
@pytest.mark.parametrize("name", SHAPES)
def test_kernels_of_all_kinds(name, threads):
    net, size = behind_a_point(name)
    with threads_of(threads):
        check(net, size, batch=16, error=0.1)


@pytest.mark.parametrize("name", [name for name, (_, size) in SHAPES.items() if len(size) in LAST])
def test_kernels_of_all_kinds_with_the_channels_last(name):
    """Their maps are not copied; without that they would be up to 90 % too many bytes."""
    net, size = behind_a_point(name)
    check(net.to(memory_format=LAST[len(size)]), size, batch=16, error=0.03)


def test_a_depthwise_convolution_of_maps_smaller_than_its_kernel_takes_another():
    layers = [nn.Conv2d(256, 256, 3, padding=1, groups=256) for _ in range(2)]
    check(nn.Sequential(*layers), (256, 2, 2), batch=16, error=0.03)
    check(nn.Sequential(*layers).to(memory_format=torch.channels_last), (256, 2, 2), batch=16, error=0.03)

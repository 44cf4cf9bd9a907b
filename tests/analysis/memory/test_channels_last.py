"""Convolutions of maps that a permutation puts channels last, against what the allocator gives out."""

import pytest
from torch import nn

from convblocks import step_memory
from tests.analysis.memory.allocator import check


class Permuted(nn.Module):
    """Channels last by a permutation, as in ConvNeXt; the weight of its convolution lies as usual."""

    def __init__(self, layer, channels):
        super().__init__()
        self.mixed, self.layer = nn.Linear(channels, channels), layer

    def forward(self, x):
        return self.layer(self.mixed(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


PERMUTED = {
    "wide depthwise": lambda: nn.Conv2d(64, 64, 7, padding=3, groups=64),
    "wide strided depthwise": lambda: nn.Conv2d(64, 64, 5, stride=2, padding=2, groups=64),
    "depthwise": lambda: nn.Conv2d(64, 64, 3, padding=1, groups=64),
    "dense": lambda: nn.Conv2d(64, 96, 3, padding=1),
    "patches": lambda: nn.Conv2d(64, 96, 2, stride=2),
}


@pytest.mark.parametrize("name", PERMUTED)
def test_a_permutation_puts_the_channels_last(name):
    check(Permuted(PERMUTED[name](), 64), (64, 16, 16), batch=4, error=0.03)


WIDE = Permuted(PERMUTED["wide depthwise"](), 64)
WIDE_MEASURED = {"AVX2": 1_877_000, "AVX512": 4_285_448}  # as MEASURED


@pytest.mark.parametrize("isa", WIDE_MEASURED)
def test_the_weight_of_a_wide_depthwise_kernel_is_copied_into_blocks(isa):
    """64 times its size with vectors of 8 lanes, 256 times with 16."""
    found = step_memory(WIDE, (64, 16, 16), batch=4, instruction_set=isa)
    always = found.param_bytes + found.input_bytes
    assert found.peak_bytes - always == pytest.approx(WIDE_MEASURED[isa], rel=0.02)

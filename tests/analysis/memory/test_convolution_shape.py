"""Shapes of convolutions, against what real ones read and hold."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from convblocks.analysis import trace
from convblocks.analysis.ops.convolution_workspace import convolution


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.integers(0, 5), st.integers(1, 3))
def test_windows_end_and_lie_outside_as_those_that_pytorch_unfolds(n, kernel, stride, padding, dilation):
    assume(n + 2 * padding >= dilation * (kernel - 1) + 1)
    layer = nn.Conv2d(1, 1, (1, kernel), (1, stride), (0, padding), (1, dilation))
    c = convolution(trace(layer, (1, 1, n)).ops[0])
    # The position that each tap reads, counted from the first padded one.
    taps = torch.arange(n + 2 * padding).float()[None, None, None]
    columns = F.unfold(taps, (1, kernel), (1, dilation), 0, (1, stride))[0] - padding
    assert c.spans[1] == columns[-1, 0] - columns[0, 0] + 1
    assert c.ends[1] == columns.max() - (n - 1)
    padded = ((columns < 0) | (columns >= n)).all(0).any()
    # A window can span the map, with taps in the padding on both sides of it.
    between = ((columns[0] < 0) & (columns[-1] >= n)).any()
    assert between or c.outside == bool(padded)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 9, 3, padding=1, groups=3),
        nn.Conv2d(6, 6, 3, groups=6),
        nn.Conv2d(6, 9, 1, stride=2),
        nn.Conv2d(6, 9, (3, 1), stride=(1, 2), dilation=(1, 2)),
    ],
)
def test_bytes_are_those_of_the_tensors(layer):
    x = torch.randn(2, 6, 8, 8)
    c = convolution(trace(layer, (6, 8, 8), batch=2).ops[0])
    assert (c.in_bytes, c.out_bytes, c.weight_bytes) == (x.nbytes, layer(x).nbytes, layer.weight.nbytes)
    assert c.depthwise == (layer.groups == 6)
    assert c.point == (layer.kernel_size == (1, 1))
    assert c.steps_over == (layer.dilation == (1, 2))


def test_channels_fill_blocks_of_a_vector_or_of_a_part_of_one():
    def of(channels, groups):
        return convolution(trace(nn.Conv2d(channels, channels, 1, groups=groups), (channels, 4, 4)).ops[0])

    assert [of(channels, 1).channels(8) for channels in (3, 8, 9)] == [(8, 8), (8, 8), (16, 16)]
    assert (of(3, 1).block(8), of(32, 2).block(16), of(16, 2).block(16), of(8, 2).block(16)) == (8, 16, 8, 4)
    assert (of(12, 2).block(16), of(12, 2).block(8)) == (0, 0)  # 6 channels a group

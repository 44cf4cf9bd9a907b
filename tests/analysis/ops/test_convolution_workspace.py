"""The shape with which a convolution's kernels are looked up, against the convolution of that shape."""

import pytest
import torch
from torch import nn

from convblocks.analysis import trace
from convblocks.analysis.ops.convolution_workspace import convolution

LAYERS = {
    "signal": lambda: (nn.Conv1d(4, 6, 3, 2, 1, groups=2), (4, 9)),
    "map": lambda: (nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), dilation=2), (4, 9, 8)),
    "volume": lambda: (nn.Conv3d(4, 6, 2), (4, 5, 6, 7)),
    "transposed signal": lambda: (nn.ConvTranspose1d(4, 6, 4, 2, 1), (4, 9)),
    "transposed map": lambda: (nn.ConvTranspose2d(4, 6, 3, 2, 1, groups=2), (4, 9, 8)),
    "transposed volume": lambda: (nn.ConvTranspose3d(4, 6, 2, 2), (4, 5, 6, 7)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_it_is_of_the_convolution_or_of_the_one_whose_gradient_is_computed(name):
    """A signal is a map of one row; a transposed convolution gives the input's gradient of the convolution."""
    layer, size = LAYERS[name]()
    c = convolution(trace(layer, size, batch=3).ops[0])
    options = {"stride": c.strides, "padding": c.paddings, "dilation": c.dilations, "groups": c.groups}
    kind = nn.Conv3d if len(c.kernel) == 3 else nn.Conv2d
    same = kind(c.in_channels, c.out_channels, c.kernel, **options, device="meta")
    given = torch.empty(c.batch, c.in_channels, *c.in_sizes, device="meta")
    assert same(given).shape == (c.batch, c.out_channels, *c.out_sizes)
    assert same.weight.numel() == layer.weight.numel()
    real = layer(torch.empty(3, *size))
    maps = (given.numel(), same(given).numel())
    assert maps == (
        (real.numel(), 3 * torch.Size(size).numel()) if layer.transposed else (given.numel(), real.numel())
    )

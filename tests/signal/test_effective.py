"""The effective field of linear layers, whose gradient is their kernel."""

import numpy as np
import pytest
import torch
from torch import nn

from convblocks import analyze
from convblocks.errors import OptionError, TraceError
from convblocks.signal import effective_field


def test_the_profile_of_one_convolution_is_that_of_its_kernel():
    conv = nn.Conv2d(1, 1, 5, padding=2, bias=False)
    kernel = torch.arange(1.0, 26).reshape(5, 5)
    conv.weight.data = kernel[None, None].clone()
    found = effective_field(nn.Sequential(conv), torch.randn(3, 1, 11, 11))
    for axis, fit in enumerate(found.axes):
        weights = kernel.sum(1 - axis).numpy() / kernel.sum().item()
        places = np.arange(3, 8)
        centre = weights @ places
        assert fit.centre == pytest.approx(centre, rel=1e-5)
        assert fit.sigma_moments == pytest.approx(np.sqrt(weights @ (places - centre) ** 2), rel=1e-5)
        assert fit.theoretical == 5
    assert (found.layer, found.input_size, found.output_size) == ("0", (11, 11), (11, 11))
    assert np.array(found.map)[3:8, 3:8] == pytest.approx((kernel / 25).numpy(), abs=1e-4)


def test_equal_kernels_give_a_sigma_that_grows_with_the_root_of_depth():
    def sigma(depth):
        net = nn.Sequential(*[nn.Conv1d(1, 1, 3, padding=1, bias=False) for _ in range(depth)])
        for conv in net:
            nn.init.ones_(conv.weight)
        field = effective_field(net, torch.randn(2, 1, 101))
        assert field.axes[0].theoretical == analyze(net, (1, 101)).receptive_field[0][2] * 2 + 1
        return field.axes[0].sigma_moments

    assert [sigma(n) for n in (4, 16)] == pytest.approx([np.sqrt(4 * 2 / 3), np.sqrt(16 * 2 / 3)], rel=1e-4)


def test_layers_that_are_not_there_or_get_no_gradient_are_refused():
    net, x = nn.Sequential(nn.Conv2d(1, 2, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), torch.randn(2, 1, 6, 6)
    with pytest.raises(OptionError, match="module path"):
        effective_field(net, x, layer="9")
    with pytest.raises(OptionError, match="gives no map"):
        effective_field(net, x, layer="2")
    with pytest.raises(OptionError, match="batch first"):
        effective_field(net, x, axes="channels,height,batch,width")
    net[0].weight.data.zero_()
    with pytest.raises(TraceError, match="is 0"):
        effective_field(net, x)

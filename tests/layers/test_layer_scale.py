"""Layer scale multiplies each channel by a number of its own."""

import pytest
import torch

from convblocks.errors import OptionError
from convblocks.layers import LayerScale


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_layer_scale_multiplies_each_channel_by_its_own(dims):
    scale, x = LayerScale(3, 0.5), torch.randn(2, 3, *(4,) * dims)
    assert torch.equal(scale(x), x / 2)
    with torch.no_grad():
        scale.scale[1] = 3
    assert torch.equal(scale(x)[:, 1], 3 * x[:, 1])


@pytest.mark.parametrize("initial", [float("nan"), "small", True])
def test_layer_scale_starts_at_a_number(initial):
    with pytest.raises(OptionError, match=r"layer_scale=.*finite number"):
        LayerScale(3, initial)

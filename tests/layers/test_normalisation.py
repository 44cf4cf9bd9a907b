"""Norms leave each group of values with mean 0 and variance 1, over the axes that their name says."""

import pytest
import torch

from convblocks.errors import OptionError
from convblocks.layers.normalisation import make_norm

SIZES = {1: (12,), 2: (6, 5), 3: (4, 3, 5)}
KEPT = {"batch": (1,), "instance": (0, 1), "layer": (0, 2, 3, 4)}
"""Axes along which each position is normalised for itself."""


@pytest.mark.parametrize("dims", SIZES)
@pytest.mark.parametrize("name", KEPT)
def test_mean_is_0_and_variance_1(name, dims):
    x = 3 + 5 * torch.randn(4, 64, *SIZES[dims], generator=torch.Generator().manual_seed(0))
    axes = [axis for axis in range(x.ndim) if axis not in KEPT[name]]
    y = make_norm(name, 64, dims)(x)
    torch.testing.assert_close(y.mean(axes), torch.zeros_like(y.mean(axes)), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(axes, correction=0), torch.ones_like(y.mean(axes)), atol=1e-3, rtol=0)


@pytest.mark.parametrize(("channels", "groups"), [(64, 32), (48, 16), (7, 1)])
def test_a_group_norm_has_as_many_groups_as_divide_the_channels(channels, groups):
    assert make_norm("group", channels).num_groups == groups


def test_none_is_the_identity_and_others_are_refused():
    x = torch.randn(2, 3, 4, 4)
    assert make_norm("none", 3)(x) is x
    with pytest.raises(OptionError, match="expected batch, group, layer, instance or none"):
        make_norm("bach", 3)

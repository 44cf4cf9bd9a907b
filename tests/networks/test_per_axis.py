"""Strides one after another, as one number or one for each axis."""

import pytest

from convblocks.errors import OptionError
from convblocks.networks.per_axis import product


@pytest.mark.parametrize(
    ("strides", "dims", "expected"),
    [
        ((), 2, 1),
        ((2, 3), 2, 6),
        ((2, (1, 2)), 2, (2, 4)),
        (((1, 2), (2, 1)), 2, 2),
        (((2, 1, 4), 2), 3, (4, 2, 8)),
    ],
)
def test_products(strides, dims, expected):
    assert product(*strides, dims=dims) == expected


def test_a_stride_of_other_axes_is_refused():
    with pytest.raises(OptionError, match="2 of them for dims=2"):
        product((1, 2, 3), dims=2)

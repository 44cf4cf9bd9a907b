"""Convolutions: their shapes against the meta kernels, and what they keep."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.analysis.one_op import FORMULAS, check_kept


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_convolution_formula_is_the_meta_kernel_s(data):
    dims = data.draw(st.integers(1, 3))
    groups, per_group, outputs = (data.draw(st.integers(1, 3)) for _ in range(3))
    sizes = data.draw(st.tuples(*[st.integers(1, 12)] * dims))
    kernel = data.draw(st.tuples(*[st.integers(1, 4)] * dims))
    whole_or_each = st.integers(1, 3) | st.tuples(*[st.integers(1, 3)] * dims)
    stride, dilation = data.draw(whole_or_each), data.draw(whole_or_each)
    padding = data.draw(st.integers(0, 3) | st.tuples(*[st.integers(0, 3)] * dims))
    convolve = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}[dims]
    x = torch.empty(2, groups * per_group, *sizes, device="meta")
    weight = torch.empty(groups * outputs, per_group, *kernel, device="meta")
    arguments = (x, weight, None, stride, padding, dilation, groups)
    try:
        expected = tuple(convolve(*arguments).shape)
    except RuntimeError:
        expected = None
    found = FORMULAS[convolve](*arguments)
    assert found == expected


def test_padding_in_words_is_left_to_torch():
    x, weight = torch.empty(1, 2, 9, device="meta"), torch.empty(2, 2, 3, device="meta")
    assert FORMULAS[torch.conv1d](x, weight, None, 1, "same") is None


KEEPS = {
    "padded by itself, unevenly": lambda x: F.conv2d(x, torch.ones(4, 4, 2, 4), padding="same"),
    "a weight that is computed": lambda x, w: F.conv2d(x, (w - w.mean()).expand(4, 4, 1, 1) * 2),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("name", KEEPS)
def test_what_an_op_keeps(name):
    check_kept(KEEPS[name])

"""The parts of a trace: arguments of calls by name, and views that fold."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks.analysis import trace
from convblocks.analysis.trace.graph import Value


def test_an_argument_is_read_by_name_wherever_it_is_given():
    class Net(nn.Module):
        def forward(self, x):
            weight = torch.ones(4, 3, 3, 3)
            x = F.conv2d(x, weight, None, 2, padding=1)
            return F.max_pool2d(x, kernel_size=3).transpose(2, dim1=3).flatten(1)

    conv, pool, swap, flat = trace(Net(), (3, 12, 12)).ops
    assert [conv[name] for name in ("stride", "padding", "dilation", "groups", "bias")] == [2, 1, 1, 1, None]
    assert (pool["kernel_size"], pool["stride"], pool.get("dilation"), pool.get("groups", 7)) == (
        3,
        None,
        1,
        7,
    )
    assert (swap["dim0"], swap["dim1"], flat["start_dim"]) == (2, 3, 1)
    with pytest.raises(KeyError):
        conv["kernel_size"]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3), (1, 0, 2, 3), (0, 1, 3, 2), (3, 2, 1, 0)])
@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 1, 4, 5), (1, 3, 4, 1)])
def test_axes_fold_where_a_view_does(shape, order):
    x = torch.empty(shape).permute(order)
    value = Value(0, tuple(x.shape), x.dtype, 0, x.stride())
    for axes in range(1, 5):
        try:
            x.view(-1, *x.shape[axes:])
            viewed = True
        except RuntimeError:
            viewed = False
        assert value.folds(axes) == viewed
    assert (value.elements, value.bytes) == (x.numel(), x.nbytes)

"""What rules of several kinds say of memory: factors that are views, copies or without a gradient."""

import pytest
import torch

from convblocks.analysis.ops.shared_rules import as_list, option
from tests.analysis.one_op import check_kept

KEEPS = {
    "squares of views": lambda x: x[:, :2] * x[:, 2:],
    "two chunks, one storage": lambda x: (lambda a, b: torch.sigmoid(a) * b)(*x.chunk(2, 1)),
    "crosswise products": lambda x: (x.flatten(2).transpose(1, 2) @ x.flatten(2)) @ x.flatten(2).transpose(1, 2),
    "products of batches": lambda x: x.permute(0, 2, 1, 3) @ x.permute(0, 2, 3, 1),
    "without gradient": lambda x: x + torch.no_grad()(lambda: torch.sigmoid(x) * x)() + torch.tanh(x.detach()),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS)
def test_what_an_op_keeps(name):
    check_kept(KEEPS[name])


def test_axes_are_given_as_one_as_many_or_as_all():
    assert [as_list(given, range(3)) for given in (None, 1, (0, 2), [])] == [[0, 1, 2], [1], [0, 2], []]


def test_an_option_is_written_where_it_does_something():
    assert [option("stride", sizes) for sizes in ([1, 1], [2, 2], [1, 2])] == [
        "",
        ", stride 2",
        ", stride 1×2",
    ]

"""Products of matrices: which of the factors are kept, and as which copy."""

import pytest
import torch

from tests.analysis.one_op import check_kept

KEEPS = {
    "sums of products": lambda x: torch.addmm(x[0, 0], torch.ones(8, 8), x[0, 1]) + x[0, 0].addmm(x[0, 1], x[0, 2]),
    "products": lambda x: x @ x.transpose(2, 3) + torch.einsum("bchw,bcvw->bchv", x, x),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS)
def test_what_an_op_keeps(name):
    check_kept(KEEPS[name])

"""Dropout: its mask is kept, unless nothing is dropped."""

import pytest
import torch.nn.functional as F

from tests.analysis.one_op import check_kept

KEEPS = {
    "dropped": lambda x: F.dropout(x, 0.5) + F.dropout2d(x, 0.5),
    "dropped in place": lambda x: F.dropout(x, 0.5, True, True),
    "none dropped": lambda x: F.relu(F.dropout(F.sigmoid(x), 0.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS)
def test_what_an_op_keeps(name):
    check_kept(KEEPS[name])

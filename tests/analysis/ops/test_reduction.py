"""Reductions: what they keep, and what sees all of an axis."""

import pytest
import torch
import torch.nn.functional as F

from tests.analysis.one_op import check_field, check_kept

KEEPS = {
    "softmax": lambda x: F.softmax(x, 1) + F.log_softmax(x, 1) + F.softmin(x, 1),
    "statistics": lambda x: x.mean(1) + x.var(1) + x.std(1) + x.amax(1) + x.sum(1) + x.norm(dim=1),
    "vector norm": lambda x: torch.linalg.vector_norm(x, dim=1) + x.diff(n=1, dim=1).sum(1),
    "the largest": lambda x: x.max(1)[0].sum() + x.max() + x.topk(2, 1)[0].sum() + x.sort(2)[0].sum(),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS)
def test_what_an_op_keeps(name):
    check_kept(KEEPS[name])


FIELDS = {
    "glu of channels": lambda x: F.glu(x, 1),
    "glu of the map": lambda x: F.glu(x),
    "glu in windows": lambda x: F.glu(x.unflatten(2, (4, 6))).flatten(2),
    "vector norm": lambda x: torch.linalg.vector_norm(x, dim=1),
    "vector norm of the map": lambda x: torch.linalg.vector_norm(x, dim=2, keepdim=True),
    "median": lambda x: x.median(1).values.unsqueeze(1),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_an_op_is_known_and_moves_a_field_as_nan_shows(name):
    check_field(FIELDS[name])

"""Indexing: what is kept of positions that are taken or written."""

import pytest
import torch

from tests.analysis.one_op import check_keeps_nothing, check_kept

KEEPS = {
    "taken along an axis": lambda x: torch.take_along_dim(x, torch.zeros(2, 1, 8, 8, dtype=torch.long), 1),
    "cells set": lambda x: (lambda y: (y.__setitem__(x > 0, 0.0), y.__setitem__((0, 1), x[0, 0]), y)[2])(x + 1),
    "rows set by index": lambda x: (lambda y: (y.__setitem__((slice(None), torch.tensor([0, 1])), 1.0), y)[1])(x + 1),
    "by index": lambda x: x[:, torch.tensor([0, 2])] + x.index_select(1, torch.tensor([1, 3])),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS)
def test_what_an_op_keeps(name):
    check_kept(KEEPS[name])


KEEPS_NOTHING = {
    "copies": lambda x: torch.zeros_like(x).copy_(x) + (x + 1).fill_(1.0) + (x + 1).zero_() + x,
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS_NOTHING)
def test_what_keeps_nothing(name):
    check_keeps_nothing(KEEPS_NOTHING[name])

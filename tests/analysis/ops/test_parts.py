"""Ops that join and cut: they keep nothing, and what follows them keeps the joined or the whole."""

import pytest
import torch
import torch.nn.functional as F

from tests.analysis.one_op import check_keeps_nothing, check_kept

KEEPS = {
    "joined": lambda x: F.silu(torch.cat([x, x.flip(-1)], 1)) + F.silu(torch.stack([x, x], 1).flatten(1, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS)
def test_what_an_op_keeps(name):
    check_kept(KEEPS[name])


KEEPS_NOTHING = {
    "parts": lambda x: x.split(2, 1)[0] + x.unbind(1)[0][:, None] + x.tensor_split(2, 1)[0] + x.narrow(1, 0, 2),
    "parts of rows": lambda x: x.hsplit(2)[0].sum() + x.vsplit(2)[0].sum() + x.dsplit(2)[0].sum(),
    "joins": lambda x: torch.concat([x, x]).sum() + torch.stack([x, x]).sum() + torch.cat([x, x], 1).sum(),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS_NOTHING)
def test_what_keeps_nothing(name):
    check_keeps_nothing(KEEPS_NOTHING[name])

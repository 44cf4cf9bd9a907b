"""Conversions of type and shape: they keep nothing."""

import pytest
import torch

from tests.analysis.one_op import check_keeps_nothing

KEEPS_NOTHING = {
    "types": lambda x: x.double() + x.half().float() + x.bfloat16().to(torch.float64) + x.type(torch.float64),
    "types of others": lambda x: x.type_as(torch.ones(1, dtype=torch.float64)) + x.clone().contiguous(),
    "stretches": lambda x: x[:, :1].expand(-1, 4, -1, -1) + x[:, :1].broadcast_to(2, 4, 8, 8) + x.positive() + x.real,
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS_NOTHING)
def test_what_keeps_nothing(name):
    check_keeps_nothing(KEEPS_NOTHING[name])

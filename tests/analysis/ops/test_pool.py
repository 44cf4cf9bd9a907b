"""Pools: what they keep, with their indices and sizes of output."""

import pytest
import torch.nn.functional as F

from tests.analysis.one_op import check_field, check_kept

KEEPS = {
    "max pools": lambda x: F.max_pool2d(x, 2).sum() + F.max_pool1d(x.flatten(2), 3).sum(),
    "average pools": lambda x: F.avg_pool2d(x, 2) + F.adaptive_avg_pool2d(x, 1) + F.adaptive_avg_pool2d(x, 4),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS)
def test_what_an_op_keeps(name):
    check_kept(KEEPS[name])


FIELDS = {
    "power pool": lambda x: F.lp_pool1d(x, 2, 3, 2),
    "power pool of its own stride": lambda x: F.lp_pool1d(x, norm_type=2, kernel_size=3),
    "max pool with indices": lambda x: F.max_pool1d(x, 3, 1, 1, return_indices=True)[0],
    "adaptive max pool with indices": lambda x: F.adaptive_max_pool1d(x, 12, return_indices=True)[0],
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_an_op_is_known_and_moves_a_field_as_nan_shows(name):
    check_field(FIELDS[name])

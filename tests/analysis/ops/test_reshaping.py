"""Views, permutations and copies along an axis: they keep nothing of their own."""

import pytest
import torch

from tests.analysis.one_op import check_field, check_keeps_nothing, check_kept

KEEPS = {
    "views": lambda x: x.flatten(2).transpose(1, 2).chunk(2, -1)[0].relu().unsqueeze(1),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS)
def test_what_an_op_keeps(name):
    check_kept(KEEPS[name])


KEEPS_NOTHING = {
    "axes": lambda x: x.movedim(1, 2).moveaxis(1, 2).swapaxes(2, 3).permute(0, 1, 3, 2).mT + x[0, 0].t() + x[0, 0].T,
    "shapes": lambda x: x.flatten(1).unflatten(1, (4, 64)).view(2, 4, 8, 8).reshape_as(x).view_as(x).squeeze(0)[None],
    "strides": lambda x: x.as_strided((2, 4), (1, 2)).sum() + torch.meshgrid(x[0, 0, 0], x[0, 0, 1], indexing="ij")[0],
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS_NOTHING)
def test_what_keeps_nothing(name):
    check_keeps_nothing(KEEPS_NOTHING[name])


FIELDS = {
    "moved": lambda x: torch.concatenate([torch.moveaxis(x, 1, 2).mT, x.swapdims(1, 2).mT], 1),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_an_op_is_known_and_moves_a_field_as_nan_shows(name):
    check_field(FIELDS[name])

"""Ops that change the size of a map: what they keep and what a position of theirs sees."""

import pytest
import torch
import torch.nn.functional as F

from tests.analysis.one_op import check_field, check_keeps_nothing, check_kept

KEEPS = {
    "averages of areas": lambda x: F.interpolate(x, 4, mode="area") + F.interpolate(x, 1, None, "area"),
    "stretched in other ways": lambda x: F.interpolate(x, 5, None, "bicubic") + F.interpolate(x, 5),
    "padded": lambda x: F.pad(x, (1, 1)).sum() + F.pad(x, (1, 1, 1, 1), mode="reflect").sum(),
    "stretched": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear") + F.interpolate(x, scale_factor=2),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS)
def test_what_an_op_keeps(name):
    check_kept(KEEPS[name])


KEEPS_NOTHING = {
    "windows": lambda x: F.fold(F.unfold(x, 3), (8, 8), 3).sum() + x.unfold(2, 3, 1).sum() + x.diagonal(0, 2, 3).sum(),
    "shuffles": lambda x: F.pixel_shuffle(x, 2).sum() + F.pixel_unshuffle(x, 2).sum() + F.channel_shuffle(x, 2).sum(),
    "turns": lambda x: x.roll(1, 1) + x.flip(1) + x.tril() + x.triu() + x[:, :1].expand_as(x),
    "grids": lambda x: F.affine_grid(x[:, 0, :2, :3], [2, 3, 8, 8], align_corners=False),
    "repeats": lambda x: x.repeat(1, 2, 1, 1) + x.tile(1, 2, 1, 1) + x.repeat_interleave(2, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS_NOTHING)
def test_what_keeps_nothing(name):
    check_keeps_nothing(KEEPS_NOTHING[name])


FIELDS = {
    "difference": lambda x: torch.diff(x),
    "third difference": lambda x: x.diff(3, 2),
    "difference of channels": lambda x: x.diff(dim=1),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_an_op_is_known_and_moves_a_field_as_nan_shows(name):
    check_field(FIELDS[name])

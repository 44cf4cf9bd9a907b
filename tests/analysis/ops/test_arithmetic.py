"""Arithmetic: the tensors that it keeps, and the positions that its results see."""

import pytest
import torch

from tests.analysis.one_op import check_field, check_keeps_nothing, check_kept

KEEPS = {
    "times a weight": lambda x, w: x * w,
    "times itself": lambda x: x * x,
    "times a number": lambda x: x * 2.0 + 1,
    "times in place": lambda x, w: x.mul_(w),
    "times what needs no gradient": lambda x, w: x * w.detach(),
    "by a weight": lambda x, w: x / w,
    "by a number": lambda x: 1 / (x / 2),
    "to a power": lambda x: x**3 + 2**x,
    "to a learnt power": lambda x, w: x.abs() ** w,
    "larger": lambda x, w: torch.maximum(x, w),
    "larger of two": lambda x, w: torch.max(x, w) + torch.min(x, x + 1) + x.max(w.detach()) + torch.max(x, other=w),
    "larger of two halves": lambda x: (lambda a, b: torch.max(a, b) + torch.fmin(a, b))(*x.split(2, 1)),
    "larger of two, one without gradient": lambda x: torch.fmax(x.detach() + 1, x) + torch.minimum(x, torch.ones(8)),
    "a hypotenuse": lambda x, w: torch.hypot(x, w) + torch.hypot(x, torch.ones(8)) + x.hypot(x + 1) + torch.hypot(x, x),
    "a number to a power": lambda x, w: torch.pow(2, x) + (x + 1).pow_(w) + (x + 1).pow_(3.0),
    "a number by a map": lambda x: torch.div(0.5, x) + torch.true_divide(2, x + 1),
    "clamped by tensors": lambda x, w: x.clamp(w, w + 1) + torch.clamp(x, min=x + 1) + x.clamp_max(torch.ones(8)),
    "where two conditions hold": lambda x: torch.where((x > 0) & ~torch.isnan(x) & (x.int() < 3), x, x * 2),
    "whole numbers where": lambda x: torch.where(x > 0, x, torch.full((8,), 2)),
    "clamps": lambda x: x.clamp(0, 1) + x.clamp_min(0) + (x + 1).clamp_(0, 1),
    "between": lambda x: torch.lerp(x, x * 2, torch.sigmoid(x)) + torch.lerp(x + 1, x, 0.3) + (x + 1).lerp_(x, 0.3),
    "between what does not learn": lambda x: torch.lerp(torch.zeros(8), torch.ones(8), x),
    "between, by what does not learn": lambda x: torch.lerp(x, x * 2, torch.rand(8)) + x.lerp(torch.zeros(8), 0.5),
    "remainders": lambda x: torch.fmod(x, x + 3) + x % (x + 2.5) + torch.fmod(x, torch.ones(8)) + x % 2.0,
    "masked": lambda x: torch.where(x > 0, x, 0.5) + x.masked_fill(x > 1, 0.0),
    "a constant of a map's shape": lambda x, w: torch.sigmoid(w.detach().expand_as(x)) * x,
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS)
def test_what_an_op_keeps(name):
    check_kept(KEEPS[name])


KEEPS_NOTHING = {
    "sums": lambda x: x + x - 1 + (1 - x) - (-x) + torch.subtract(x, x, alpha=2) + torch.rsub(x, 1) + +x + x.cumsum(1),
    "sums in place": lambda x: (x + 1).add_(x).sub_(x).neg_() + x.sum() + x.mean() + x.mean(1, True) + x.sum(1, True),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS_NOTHING)
def test_what_keeps_nothing(name):
    check_keeps_nothing(KEEPS_NOTHING[name])


FIELDS = {
    "one by it": lambda x: 1 / x.exp(),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_an_op_is_known_and_moves_a_field_as_nan_shows(name):
    check_field(FIELDS[name])

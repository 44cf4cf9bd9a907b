"""Checks of one op: what it keeps against the hooks of autograd, what it sees against NaN propagation."""

import torch
from torch import nn

from convblocks import analyze
from convblocks.analysis import receptive_field, trace
from convblocks.analysis.ops import OPS
from tests.analysis.memory.hooks import Through, check, predicted

FORMULAS = {function: rule for op in OPS.values() for function, rule in (op.shape or {}).items()}
"""The rules of shapes, by function of torch."""


class Do(nn.Module):
    """A function as a module."""

    def __init__(self, work):
        super().__init__()
        self.work = work

    def forward(self, x):
        return self.work(x)


def after_convolution(module, *more):
    """Returns layers behind a convolution of a signal of two channels into four."""
    return nn.Sequential(nn.Conv1d(2, 4, 3, padding=1), module, *more)


def check_kept(work):
    """Checks the memory that a function of a map (2, 4, 8, 8), and of a weight (4, 1, 1) if it takes two, keeps."""
    check(Through(work), (3, 8, 8))


def check_keeps_nothing(work):
    """Checks that of all that a function of a map (2, 4, 8, 8) reads and makes nothing is kept."""
    check_kept(work)
    assert predicted(Through(work), (3, 8, 8)) == 4 * 2 * 3 * 64  # the image alone


def check_field(work):
    """Checks the field of a function of a signal (1, 4, 24)."""
    module, n = Do(work), 24
    assert analyze(module, (4, n)).unknown_ops == ()
    (field,) = receptive_field(trace(module, (4, n)))
    columns = []
    for i in range(n):
        x = torch.randn(1, 4, n)
        x[..., i] = float("nan")
        spoiled = module(x).isnan()
        columns.append(spoiled.flatten(0, -2).any(0))
    assert field is not None
    step, lo, hi = (0, 0, n - 1) if field == "all" else field
    ends = set()
    for i, row in enumerate(torch.stack(columns, 1)):
        seen = row.nonzero().flatten().tolist()
        first, last = step * i + lo, step * i + hi
        assert first <= seen[0]
        assert seen[-1] <= last
        if first >= 0 and last < n:
            ends |= {("lo", seen[0] == first), ("hi", seen[-1] == last)}
    assert {("lo", True), ("hi", True)} <= ends

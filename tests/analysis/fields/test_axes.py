"""Axes that views fold and cut: what each position sees, against NaN propagation."""

import pytest
import torch
from torch import nn

from convblocks.analysis import trace
from convblocks.analysis.fields.receptive_field import states
from tests.analysis.one_op import Do, after_convolution


class _Attention(nn.Module):
    """Every position attends to all; `pool` neighbours share a query."""

    def __init__(self, pool=1):
        super().__init__()
        self.pool = pool

    def forward(self, x):
        query = nn.functional.avg_pool1d(x, self.pool) if self.pool > 1 else x
        tokens = x.transpose(-1, -2)
        return nn.functional.scaled_dot_product_attention(query.transpose(-1, -2), tokens, tokens).transpose(
            -1, -2
        )


def _windows(inner, size=6, grid=False):
    """`inner` on windows of `size` neighbours, or on the positions `size` apart; windows go into the batch."""

    def work(module, x):
        a, b = (size, -1) if grid else (-1, size)
        cut = x.unflatten(2, (a, b))
        cut = cut.permute(0, 3, 1, 2) if grid else cut.permute(0, 2, 1, 3)
        done = module(cut.flatten(0, 1)).unflatten(0, (1, -1))
        done = done.permute(0, 2, 3, 1) if grid else done.permute(0, 2, 1, 3)
        return done.flatten(2)

    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = inner()

        def forward(self, x):
            return work(self.inner, x)

    return Windows()


def _joined(x):
    """A token of its own joins the others for the attention."""
    tokens = torch.cat([x.new_zeros(1, x.shape[1], 1), x], 2)
    return _Attention()(tokens)[..., 1:]


CUT = {
    "convolution in windows": lambda: after_convolution(_windows(lambda: nn.Conv1d(4, 4, 3, padding=1))),
    "even convolution in windows": lambda: after_convolution(_windows(lambda: nn.Conv1d(4, 4, 4, padding=2))),
    "stride in windows": lambda: after_convolution(
        _windows(lambda: nn.Conv1d(4, 4, 3, 2, 1)), nn.Conv1d(4, 4, 3, padding=1)
    ),
    "pool in windows": lambda: after_convolution(_windows(lambda: nn.MaxPool1d(2))),
    "convolution in a grid": lambda: after_convolution(
        _windows(lambda: nn.Conv1d(4, 4, 3, padding=1), grid=True)
    ),
    "stride in a grid": lambda: after_convolution(_windows(lambda: nn.Conv1d(4, 4, 3, 2, 1), grid=True)),
    "windows in windows": lambda: after_convolution(
        _windows(lambda: _windows(lambda: nn.Conv1d(4, 4, 3, padding=1), 3), 12)
    ),
    "strided windows in windows": lambda: after_convolution(
        _windows(lambda: _windows(lambda: nn.MaxPool1d(2), 4), 8)
    ),
    "middle of three": lambda: after_convolution(
        Do(lambda x: nn.functional.max_pool2d(x.reshape(1, 4, 2, 4, 3).flatten(1, 2), (2, 1)).flatten(2)),
        Do(lambda x: x.reshape(1, 4, 12)),
    ),
    "attention in windows": lambda: after_convolution(_windows(_Attention)),
    "fewer queries in windows": lambda: after_convolution(_windows(lambda: _Attention(2))),
    "token of its own": lambda: after_convolution(Do(_joined)),
    "space to depth": lambda: after_convolution(
        Do(lambda x: x.unflatten(2, (12, 2)).transpose(2, 3).flatten(1, 2)), nn.Conv1d(8, 4, 3, padding=1)
    ),
    "every second": lambda: after_convolution(Do(lambda x: x.unflatten(2, (12, 2))[..., 1])),
    "parts side by side": lambda: after_convolution(
        Do(lambda x: torch.stack(x.unflatten(2, (12, 2)).unbind(3)).sum(0))
    ),
    "slices on two axes": lambda: after_convolution(
        Do(lambda x: x.unflatten(2, (6, 4))[:, :, 1:5, ::2].flatten(2))
    ),
    "flipped in windows": lambda: after_convolution(Do(lambda x: x.unflatten(2, (6, 4)).flip(3).flatten(2))),
    "of another's type": lambda: after_convolution(Do(lambda x: torch.ones(2).sum().type_as(x) * x)),
    "of another's shape": lambda: after_convolution(
        Do(lambda x: x[..., ::2].reshape(1, 2, 24).view_as(x.flip(1)[:, :2]).reshape(1, 4, 12))
    ),
    "channels by a list": lambda: after_convolution(Do(lambda x: x[:, [2, 0, 1, 3]])),
    "examples by a list": lambda: after_convolution(Do(lambda x: x[[0]])),
}


@pytest.mark.parametrize("name", CUT)
def test_every_position_of_a_cut_axis_sees_what_nan_shows(name):
    n, gap = 24, 4 if "grid" in name else 0  # inputs that are passed over between two that are seen
    torch.manual_seed(0)
    module = CUT[name]().eval()
    seen = trace(module, (2, n))
    (state,) = states(seen)[seen.output.number]
    spoiled = []
    for i in range(n):
        x = torch.randn(1, 2, n)
        x[..., i] = float("nan")
        with torch.no_grad():
            spoiled.append(module(x).isnan().any(1)[0])
    for i, row in enumerate(torch.stack(spoiled, 1)):
        lo, hi = (0, n - 1) if state == "all" else state.sight.at(i)
        reached = row.nonzero().flatten().tolist()
        assert reached[0] == lo if lo >= 0 else reached[0] <= gap
        assert reached[-1] == hi if hi < n else reached[-1] >= n - 1 - gap

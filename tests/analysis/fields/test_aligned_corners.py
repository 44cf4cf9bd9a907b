"""Fields of maps that meet at different rates, as with align_corners=True, against NaN propagation at each position."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import analyze


class UNet(nn.Module):
    """Down `levels` times by pooling, and up again beside the skip connections; `size` is of any length."""

    def __init__(self, levels, mode, dims=2):
        super().__init__()
        conv = {1: nn.Conv1d, 2: nn.Conv2d}[dims]
        self.pool = {1: F.max_pool1d, 2: F.max_pool2d}[dims]
        self.down = nn.ModuleList([conv(1 if i == 0 else 2, 2, 3, padding=1) for i in range(levels + 1)])
        self.up = nn.ModuleList([conv(4, 2, 3, padding=1) for _ in range(levels)])
        self.mode = mode

    def forward(self, x):
        maps = [self.down[0](x)]
        for conv in self.down[1:]:
            maps.append(conv(self.pool(maps[-1], 2)))
        x = maps.pop()
        for conv, skip in zip(self.up, reversed(maps), strict=True):
            x = F.interpolate(x, size=skip.shape[2:], mode=self.mode, align_corners=True)
            x = conv(torch.cat([skip, x], 1))
        return x


class Mixed(nn.Module):
    """Branches at three rates: to a size of its own, and back."""

    def forward(self, x):
        smaller = F.interpolate(x, size=(11, 11), mode="bilinear", align_corners=True)
        larger = F.interpolate(x, size=(29, 29), mode="bicubic", align_corners=True)
        return (
            F.interpolate(smaller, size=x.shape[2:], mode="bilinear", align_corners=True)
            + F.interpolate(larger, size=x.shape[2:], mode="bilinear", align_corners=True)
            + x
        )


def seen_by(module, size):
    """Whether output position i of the last axis depends on input position j, [i, j]."""
    n = size[-1]
    rows = []
    with torch.no_grad():
        for j in range(n):
            x = torch.rand(1, *size)
            x[..., j] = float("nan")
            y = module(x)
            rows.append(torch.isnan(y).reshape(-1, y.shape[-1]).any(0))
    return torch.stack(rows, 1)


@pytest.mark.parametrize(
    ("module", "size", "slack"),
    [
        (UNet(2, "bilinear"), (1, 8, 32), 4),
        (UNet(2, "bicubic"), (1, 8, 28), 4),
        (UNet(3, "linear", dims=1), (1, 64), 8),
        (UNet(1, "bilinear"), (1, 6, 21), 2),
        (Mixed(), (1, 17, 17), 2),
    ],
)
def test_bounds_hold_every_position_and_are_near(module, size, slack):
    """`slack`: inputs that bounds of one rate may add on either side: the drift, at the coarsest map's step."""
    torch.manual_seed(0)
    step, lo, hi = analyze(module.eval(), size).receptive_field[-1]
    seen = seen_by(module, size)
    n = size[-1]
    lows, highs = [], []
    for i in range(n):
        at = seen[i].nonzero()[:, 0]
        first, last = int(at.min()), int(at.max())
        assert step * i + lo <= first
        assert last <= step * i + hi
        lows += [first - step * i] * (first > 0)
        highs += [last - step * i] * (last < n - 1)
    assert lo >= min(lows) - slack
    assert hi <= max(highs) + slack

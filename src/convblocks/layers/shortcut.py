"""Shortcuts: the identity where the block keeps its shape, else the cheapest thing that fits."""

import torch
import torch.nn.functional as F
from torch import nn

from convblocks.checks import PerAxis, one_of, per_axis
from convblocks.errors import OptionError
from convblocks.layers.conv import ConvNormAct
from convblocks.layers.pooling import Pool

SHORTCUTS = ("projection", "average", "zeros")


def make_shortcut(
    in_channels: int,
    out_channels: int,
    stride: PerAxis,
    *,
    kind: str = "projection",
    bias: bool | None = None,
    norm: str = "batch",
    dims: int = 2,
) -> nn.Module:
    """Returns a shortcut, (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)); the identity if nothing changes.

    ``projection`` is a strided 1×1 convolution and norm (He et al. 2016, option B); ``average`` pools first, so that no
    input is skipped (ResNet-D, He et al. 2019, arXiv:1812.01187); ``zeros`` skips positions and adds channels of zeros,
    without parameters (He et al. 2016, option A).
    """
    one_of("shortcut", kind, SHORTCUTS)
    steps = per_axis("stride", stride, dims, at_least=1)
    strided = any(step > 1 for step in steps)
    if in_channels == out_channels and not strided:
        return nn.Identity()
    if kind == "zeros":
        return SkipAndFill(in_channels, out_channels, steps)
    pooled = kind == "average" and strided
    projection = ConvNormAct(
        in_channels,
        out_channels,
        1,
        1 if pooled else steps,
        bias=bias,
        norm=norm,
        activation="none",
        dims=dims,
    )
    return nn.Sequential(Pool("average", steps), projection) if pooled else projection


class SkipAndFill(nn.Module):
    """Every stride-th position, then channels of zeros up to `out_channels` (arXiv:1512.03385, section 4.2)."""

    def __init__(self, in_channels: int, out_channels: int, stride: tuple[int, ...]):
        super().__init__()
        if out_channels < in_channels:
            raise OptionError(
                "shortcut",
                "zeros",
                f"fills up channels and cannot drop any: in_channels={in_channels}, out_channels={out_channels}; "
                "use projection",
            )
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skipped = x[(slice(None), slice(None), *(slice(None, None, step) for step in self.stride))]
        return F.pad(skipped, (0, 0) * (x.ndim - 2) + (0, self.out_channels - self.in_channels))

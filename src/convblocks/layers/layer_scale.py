"""Layer scale: a residual branch starts near zero, each channel by a factor of its own."""

import math

import torch
from torch import nn

from convblocks.checks import whole
from convblocks.errors import OptionError


class LayerScale(nn.Module):
    """x · scale, one number a channel, all `initial` at first; (N, channels, *n) → the same.

    Touvron et al. 2021, arXiv:2103.17239, section 2.
    """

    def __init__(self, channels: int, initial: float = 1e-6):
        super().__init__()
        if isinstance(initial, bool) or not isinstance(initial, int | float) or not math.isfinite(initial):
            raise OptionError("layer_scale", initial, "expected a finite number, e.g. 1e-6")
        self.scale = nn.Parameter(torch.full((whole("channels", channels, at_least=1),), float(initial)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale.view(-1, *[1] * (x.ndim - 2))

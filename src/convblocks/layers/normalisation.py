"""Normalisations by name, for 1, 2 or 3 spatial axes."""

from collections.abc import Callable
from math import gcd

import torch
from torch import nn

from convblocks.checks import one_of


class LayerNorm(nn.LayerNorm):
    """Normalises over the channels at each position; (N, C, *spatial) → the same (ConvNeXt, arXiv:2201.03545)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


BATCH_NORM: dict[int, Callable[[int], nn.Module]] = {
    1: nn.BatchNorm1d,
    2: nn.BatchNorm2d,
    3: nn.BatchNorm3d,
}

NORMS: dict[str, Callable[[int, int], nn.Module]] = {
    "batch": lambda channels, dims: BATCH_NORM[dims](channels),
    # 32 groups (Wu & He 2018, arXiv:1803.08494), or as many as divide the channels
    "group": lambda channels, dims: nn.GroupNorm(gcd(32, channels), channels),
    # as ConvNeXt has it
    "layer": lambda channels, dims: LayerNorm(channels, eps=1e-6),
    # GroupNorm with a group a channel: the same function, and it accepts a map of one pixel
    "instance": lambda channels, dims: nn.GroupNorm(channels, channels),
    "none": lambda channels, dims: nn.Identity(),
}


def make_norm(name: str, channels: int, dims: int = 2) -> nn.Module:
    """Returns the norm of that name over `channels`; (N, channels, *spatial) → the same."""
    return NORMS[one_of("norm", name, NORMS)](channels, dims)

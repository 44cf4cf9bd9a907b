"""Augmentation of a batch as tensors, for 1, 2 or 3 spatial axes."""

import torch

SHIFT = 8
"""An example moves by up to 1/SHIFT of each axis."""


def augment(x: torch.Tensor, how: str, generator: torch.Generator) -> torch.Tensor:
    """(N, C, *n) → the same, each example shifted and mirrored on its own; `how` as in Recipe.augment."""
    if "shift" in how:
        for axis in range(2, x.ndim):
            x = _shift(x, axis, generator)
    if "flip" in how:
        mirrored = torch.rand(len(x), generator=generator) < 0.5
        x = torch.where(mirrored.view(-1, *[1] * (x.ndim - 1)), x.flip(-1), x)
    return x


def _shift(x: torch.Tensor, axis: int, generator: torch.Generator) -> torch.Tensor:
    n = x.shape[axis]
    reach = n // SHIFT
    by = torch.randint(-reach, reach + 1, (len(x), 1), generator=generator)
    positions = (torch.arange(n) + by).clamp(0, n - 1)
    index = positions.view(len(x), *[n if a == axis else 1 for a in range(1, x.ndim)])
    return torch.take_along_dim(x, index.expand(*x.shape), axis)

"""Augmentation of a batch as tensors, for 1, 2 or 3 spatial axes."""

import torch

SHIFT = 8
"""An example moves by up to 1/SHIFT of each axis."""


def augment(
    x: torch.Tensor, y: torch.Tensor, how: str, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, C, *n) → the same, each example shifted and mirrored on its own; `how` as in Recipe.augment.

    Label maps y (N, *n) move with their examples; labels (N,) stay.
    """
    moved = [x] if y.ndim == 1 else [x, y[:, None]]
    if "shift" in how:
        for axis in range(2, x.ndim):
            index = _shifted(x, axis, generator)
            moved = [torch.take_along_dim(t, index.expand(*t.shape), axis) for t in moved]
    if "flip" in how:
        mirrored = (torch.rand(len(x), generator=generator) < 0.5).view(-1, *[1] * (x.ndim - 1))
        moved = [torch.where(mirrored, t.flip(-1), t) for t in moved]
    return moved[0], (moved[1][:, 0] if len(moved) > 1 else y)


def _shifted(x: torch.Tensor, axis: int, generator: torch.Generator) -> torch.Tensor:
    """From which position along the axis each position of each example comes."""
    n = x.shape[axis]
    reach = n // SHIFT
    by = torch.randint(-reach, reach + 1, (len(x), 1), generator=generator)
    positions = (torch.arange(n) + by).clamp(0, n - 1)
    return positions.view(len(x), *[n if a == axis else 1 for a in range(1, x.ndim)])

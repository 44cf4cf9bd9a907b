"""Augmentation of a batch as tensors, for 1, 2 or 3 spatial axes."""

import torch

SHIFT = 8
"""An example moves by up to 1/SHIFT of each axis."""


def augment(
    x: torch.Tensor, y: torch.Tensor, augmentation: str, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Shifts and mirrors each example of x (N, C, *n) on its own.

    Label maps y (N, *n) move with their examples; labels (N,) stay. `augmentation` is one of AUGMENTATIONS, as in
    Recipe.augment.
    """
    moved = [x] if y.ndim == 1 else [x, y[:, None]]
    if "shift" in augmentation:
        for axis in range(2, x.ndim):
            index = _shifted(x, axis, generator)
            moved = [torch.take_along_dim(t, index.expand(*t.shape), axis) for t in moved]
    if "flip" in augmentation:
        mirrored = (torch.rand(len(x), generator=generator) < 0.5).view(-1, *[1] * (x.ndim - 1))
        moved = [torch.where(mirrored, t.flip(-1), t) for t in moved]
    return moved[0], (moved[1][:, 0] if len(moved) > 1 else y)


def _shifted(x: torch.Tensor, axis: int, generator: torch.Generator) -> torch.Tensor:
    """Returns the position along the axis from which each position of each example comes."""
    n = x.shape[axis]
    reach = n // SHIFT
    by = torch.randint(-reach, reach + 1, (len(x), 1), generator=generator)
    positions = (torch.arange(n) + by).clamp(0, n - 1)
    return positions.view(len(x), *[n if a == axis else 1 for a in range(1, x.ndim)])

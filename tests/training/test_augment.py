"""Augmentation shifts and mirrors each example on its own."""

import numpy as np
import pytest
import torch

from convblocks.training.augment import augment


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_shift_moves_each_example_by_at_most_an_eighth_and_repeats_the_edge(dims):
    x = torch.arange(16.0**dims).view(1, 1, *(16,) * dims).expand(50, -1, *[-1] * dims)
    out = augment(x, torch.zeros(50), "shift", torch.Generator().manual_seed(0))[0]
    assert out.shape == x.shape
    corners = out.flatten(1)[:, 0]
    weights = [16**i for i in range(dims)]
    allowed = {
        float(sum(w * s for w, s in zip(weights, shift, strict=True))) for shift in np.ndindex((3,) * dims)
    }
    assert set(corners.tolist()) <= allowed
    assert len(set(corners.tolist())) > 1
    middle = out[(slice(None), 0, *(8,) * dims)]
    reach = sum(2 * w for w in weights)
    assert (middle - x[(0, 0, *(8,) * dims)]).abs().max() <= reach


def test_flip_mirrors_about_half():
    x = torch.arange(4.0).view(1, 1, 4).expand(400, 1, 4)
    mirrored = augment(x, torch.zeros(400), "flip", torch.Generator().manual_seed(0))[0][:, 0, 0] == 3
    assert 150 < mirrored.sum() < 250


@pytest.mark.parametrize("how", ["none", "shift", "flip", "shift+flip"])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_masks_move_with_their_examples(how, dims):
    y = torch.randint(0, 100, (40, *(16,) * dims), generator=torch.Generator().manual_seed(1))
    x, moved = augment(y[:, None].float(), y, how, torch.Generator().manual_seed(0))
    assert torch.equal(x[:, 0].long(), moved)
    assert torch.equal(moved, y) == (how == "none")

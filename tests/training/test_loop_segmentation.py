"""Training to segment learns, repeats and resumes."""

import numpy as np
import pytest
import torch
from torch import nn

from convblocks.data import Split
from convblocks.training import Recipe, evaluate, train


def bars(n, seed):
    """Bright bars on noise; class 1 where it is bright."""
    rng = np.random.default_rng(seed)
    y = np.zeros((n, 8, 8), np.uint8)
    y[np.arange(n), :, rng.integers(0, 8, n)] = 1
    x = (y[:, None] * 2 + rng.normal(0, 0.5, (n, 1, 8, 8))).astype(np.float32)
    return Split(x, y)


def test_training_learns_repeats_and_resumes(tmp_path):
    data, validation = bars(64, 0), bars(32, 1)
    recipe = Recipe(epochs=4, batch_size=8, learning_rate=0.1, augment="shift+flip")

    def net():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1))

    first, again, stopped = net(), net(), net()
    progress = train(first, data, validation, recipe, seed=3)
    assert progress.epochs[-1].validation_score > 0.9
    assert evaluate(net(), validation).score < 0.6
    assert train(again, data, validation, recipe, seed=3).epochs == progress.epochs

    class Kill(Exception):
        pass

    def kill(epoch):
        kill.seen = getattr(kill, "seen", 0) + 1
        if kill.seen == 3:
            raise Kill

    options = {"seed": 3, "checkpoint": tmp_path / "state", "checkpoint_every_s": 0}
    with pytest.raises(Kill):
        train(stopped, data, validation, recipe, on_epoch=kill, **options)
    resumed = net()
    assert train(resumed, data, validation, recipe, **options).epochs == progress.epochs
    for a, b, c in zip(first.parameters(), again.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)

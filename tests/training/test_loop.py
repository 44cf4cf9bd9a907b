"""The loop: it learns, repeats, and resumes to the same bits."""

import re

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from torch import nn

from convblocks.data import Split
from convblocks.errors import OptionError
from convblocks.training import Recipe, evaluate, train


def data(n=96, seed=0):
    """Bright on the left, or on the right."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    x = rng.normal(size=(n, 3, 6, 6)).astype(np.float32)
    x[y == 1, :, :, :3] += 1
    x[y == 0, :, :, 3:] += 1
    return Split(x, y.astype(np.int64))


def net(width=8):
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout(0.1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(36 * width, 2))


def bits(module):
    return [tensor.clone() for tensor in module.state_dict().values()]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


RECIPE = Recipe(epochs=4, batch_size=16, augment="shift+flip")


def test_it_learns():
    module = net()
    progress = train(module, data(), data(seed=1), Recipe(epochs=5, batch_size=16), seed=0)
    assert progress.epochs[-1].train_loss < progress.epochs[0].train_loss
    assert len(evaluate(module, data(seed=2)).errors) < 20


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    modules = [net(), net(), net()]
    for module, seed in zip(modules, (0, 0, 1), strict=True):
        train(module, data(), data(seed=1), RECIPE, seed=seed)
    assert same(bits(modules[0]), bits(modules[1]))
    assert not same(bits(modules[0]), bits(modules[2]))


class _Stopped(Exception):
    pass


@pytest.mark.parametrize(
    ("optimizer", "stop_after"), [("sgd", 1), ("sgd", 2), ("sgd", 3), ("adamw", 1), ("adamw", 3)]
)
def test_a_run_resumed_from_its_checkpoint_ends_with_the_same_bits(tmp_path, optimizer, stop_after):
    recipe = replace(RECIPE, optimizer=optimizer)
    whole, epochs = net(), []
    expected = train(whole, data(), data(seed=1), recipe, seed=0)
    path = tmp_path / "checkpoint.safetensors"

    def stop(epoch):
        epochs.append(epoch)
        if len(epochs) > stop_after:
            raise _Stopped

    with pytest.raises(_Stopped):
        train(
            net(), data(), data(seed=1), recipe, seed=0, checkpoint=path, checkpoint_every_s=0, on_epoch=stop
        )
    resumed, again = net(), []
    found = train(resumed, data(), data(seed=1), recipe, seed=0, checkpoint=path, on_epoch=again.append)
    assert len(again) == RECIPE.epochs - stop_after
    assert same(bits(resumed), bits(whole))
    assert found.epochs == expected.epochs


OTHERS = {
    "another rate": {"recipe": replace(RECIPE, learning_rate=0.01)},
    "another optimizer": {"recipe": replace(RECIPE, optimizer="adamw")},
    "another seed": {"seed": 1},
    "other data": {"checkpoint_key": "b"},
    "another network": {"width": 4},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_a_checkpoint_of_another_training_starts_afresh_and_says_so(tmp_path, change):
    """The bits are those of a training without any checkpoint."""
    path, told, again = tmp_path / "checkpoint.safetensors", [], []
    first = {"recipe": RECIPE, "seed": 0, "checkpoint_key": "a"}
    train(net(), data(), data(seed=1), **first, checkpoint=path, checkpoint_every_s=0)
    asked = {**first, **change}
    width = asked.pop("width", 8)
    expected, resumed = net(width), net(width)
    train(expected, data(), data(seed=1), **asked)
    train(
        resumed, data(), data(seed=1), **asked, checkpoint=path, on_epoch=again.append, on_notice=told.append
    )
    assert len(again) == RECIPE.epochs
    assert same(bits(resumed), bits(expected))
    (text,) = told
    assert text.startswith(f"{path} is of another ")
    assert text.endswith(": training starts afresh")


def test_a_loss_that_is_not_finite_ends_the_run_and_says_so():
    broken = data()
    broken.x[0] = np.inf
    progress = train(net(), broken, data(seed=1), RECIPE, seed=0)
    assert len(progress.epochs) == 1
    assert progress.failure == "the loss became nan in epoch 1"


def test_evaluate_names_the_wrong_ones():
    class First(nn.Module):
        def forward(self, x):
            return torch.stack([torch.ones(len(x)), torch.zeros(len(x))], 1)

    split = Split(np.zeros((5, 1, 2, 2), np.float32), np.array([0, 1, 0, 1, 1]))
    assert evaluate(First(), split) == ((1, 3, 4), (), 0.4)


def test_the_rate_rises_to_its_peak_and_falls_to_zero():
    recipe = Recipe(learning_rate=0.2, warmup=0.25)
    assert [recipe.rate(p) for p in (0, 0.125, 0.25, 0.625, 1)] == pytest.approx([0, 0.1, 0.2, 0.1, 0])


NO_NUMBERS = ("0.1", None, True, float("nan"), float("inf"))
REFUSED = {
    "epochs": (0, 1.5, "3", True, None, 2**31),
    "batch_size": (0, 32.0, "32", False),
    "learning_rate": (0, -0.1, *NO_NUMBERS),
    "momentum": (-0.1, 1, 2, *NO_NUMBERS),
    "weight_decay": (-1, *NO_NUMBERS),
    "warmup": (0, 1, *NO_NUMBERS),
    "optimizer": ("adam", "SGD", None, 3),
    "augment": ("rotate", None, 3),
}


@pytest.mark.parametrize(("option", "value"), [(o, v) for o, values in REFUSED.items() for v in values])
def test_recipes_that_cannot_work(option, value):
    with pytest.raises(OptionError, match=f"^{option}={re.escape(repr(value))}: expected "):
        Recipe(**{option: value})


def test_recipes_at_the_edge_of_what_works():
    recipe = Recipe(epochs=1, batch_size=1, learning_rate=1, momentum=0, weight_decay=0)
    assert [recipe.rate(at) for at in (0, recipe.warmup, 1)] == [0, 1, 0]

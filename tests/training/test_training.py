"""The loop: it learns, repeats, and resumes to the same bits."""

import json
import random
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from convblocks.blocks import ResidualBlock
from convblocks.data import Split
from convblocks.errors import OptionError
from convblocks.records import Epoch
from convblocks.training import Recipe, evaluate, train
from convblocks.training import checkpoint as checkpoints
from convblocks.training.augment import augment
from convblocks.training.checkpoint import CheckpointError, Progress, load_checkpoint, save_checkpoint
from convblocks.training.loop import training_format


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


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_run_resumed_from_its_checkpoint_ends_with_the_same_bits(tmp_path, stop_after):
    whole, epochs = net(), []
    expected = train(whole, data(), data(seed=1), RECIPE, seed=0)
    path = tmp_path / "checkpoint.safetensors"

    def stop(epoch):
        epochs.append(epoch)
        if len(epochs) > stop_after:
            raise _Stopped

    with pytest.raises(_Stopped):
        train(
            net(), data(), data(seed=1), RECIPE, seed=0, checkpoint=path, checkpoint_every_s=0, on_epoch=stop
        )
    resumed, again = net(), []
    found = train(resumed, data(), data(seed=1), RECIPE, seed=0, checkpoint=path, on_epoch=again.append)
    assert len(again) == RECIPE.epochs - stop_after
    assert same(bits(resumed), bits(whole))
    assert found.epochs == expected.epochs


def test_a_checkpoint_that_is_no_checkpoint_starts_afresh(tmp_path):
    module = net()
    optimizer = torch.optim.SGD(module.parameters())
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"half a fi")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(path, module, optimizer, "trial", epochs=4)
    path.unlink()
    assert load_checkpoint(path, module, optimizer, "trial", epochs=4) == Progress()


OTHERS = {
    "another rate": {"recipe": replace(RECIPE, learning_rate=0.01)},
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


EPOCH = {"train_loss": 1.0, "train_score": 0.5, "validation_score": 0.25}
HEADERS = {
    "no trial": (lambda h, t: h.pop("trial"), "is of another training"),
    "no progress": (lambda h, t: h.pop("progress"), "does not say what has been done"),
    "neither": (lambda h, t: h.clear(), "is of another training"),
    "progress that is no JSON": (lambda h, t: h.update(progress="{"), "does not say"),
    "progress of another form": (lambda h, t: h.update(progress="[]"), "does not say"),
    "an unknown field": (lambda h, t: h.update(progress='{"epoch": []}'), "does not say"),
    "an epoch without its time": (lambda h, t: h.update(progress=done([EPOCH], [])), "does not say"),
    "a time before the start": (lambda h, t: h.update(progress=done([EPOCH], [-1.0])), "does not say"),
    "a score above 1": (
        lambda h, t: h.update(progress=done([{**EPOCH, "train_score": 2.0}], [1.0])),
        "does not say",
    ),
    "a failure before the first epoch": (
        lambda h, t: h.update(progress=done([], [], "the loss became nan")),
        "does not say",
    ),
    "more epochs than the recipe has": (
        lambda h, t: h.update(progress=done([EPOCH] * 5, [1.0] * 5)),
        "is of 5 epochs, where 4 are to be done",
    ),
    "momentum of another shape": (
        lambda h, t: t.update({"momentum.0": torch.zeros(1)}),
        "is of another network",
    ),
    "momentum of no parameter": (lambda h, t: t.update({"momentum.99": torch.zeros(1)}), "is of another"),
    "weights of another type": (
        lambda h, t: t.update({n: v.double() for n, v in t.items() if n.endswith("weight")}),
        "is of another network",
    ),
}


def done(epochs, epoch_s, failure=""):
    return json.dumps({"epochs": epochs, "epoch_s": epoch_s, "failure": failure})


@pytest.mark.parametrize(("change", "problem"), HEADERS.values(), ids=HEADERS)
def test_a_whole_checkpoint_that_no_training_wrote_starts_afresh_and_says_so(tmp_path, change, problem):
    """Its checksum is that of its content, as a stranger or another version may write it."""
    path, notices, epochs = tmp_path / "checkpoint.safetensors", [], []
    train(net(), data(), data(seed=1), RECIPE, seed=0, checkpoint=path, checkpoint_every_s=0)
    with safe_open(path, "pt") as file:
        header = {name: text for name, text in file.metadata().items() if name != "sha256"}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    change(header, tensors)
    save_file(tensors, path, {**header, "sha256": checkpoints._checksum(header, tensors)})
    expected, resumed = net(), net()
    train(expected, data(), data(seed=1), RECIPE, seed=0)
    options = {"checkpoint": path, "on_epoch": epochs.append, "on_notice": notices.append}
    train(resumed, data(), data(seed=1), RECIPE, seed=0, **options)
    assert len(epochs) == RECIPE.epochs
    assert same(bits(resumed), bits(expected))
    (text,) = notices
    assert problem in text
    assert text.endswith(": training starts afresh")


def test_bit_flips_of_a_checkpoint_are_seen(tmp_path):
    """Each is refused before it changes anything, or the state and the progress are the same."""

    def optimizer_of(module):
        return torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)

    path, draws, refused = tmp_path / "checkpoint.safetensors", random.Random(0), 0
    module = net()
    optimizer = optimizer_of(module)
    module(torch.randn(8, 3, 6, 6)).sum().backward()
    optimizer.step()
    progress = Progress((Epoch(train_loss=1.0, train_score=0.5, validation_score=0.25),), (1.5,))
    save_checkpoint(path, module, optimizer, "trial", progress)
    whole = path.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for flip in range(300):
        at = draws.randrange(header) if flip % 2 else draws.randrange(header, len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << draws.randrange(8)]) + whole[at + 1 :])
        other = net()
        with torch.no_grad():
            other[0].bias += 1
        before, state = bits(other), optimizer_of(other)
        try:
            assert load_checkpoint(path, other, state, "trial", epochs=4) == progress
            assert same(bits(other), bits(module))
        except CheckpointError:
            refused += 1
            assert same(bits(other), before)
            assert not state.state_dict()["state"]
    assert refused > 290


def test_momentum_is_restored(tmp_path):
    module = net()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    module(torch.randn(8, 3, 6, 6)).sum().backward()
    optimizer.step()
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, module, optimizer, "trial", Progress())
    other = net()
    restored = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    load_checkpoint(path, other, restored, "trial", epochs=4)
    ours, theirs = optimizer.state_dict()["state"], restored.state_dict()["state"]
    assert all(torch.equal(ours[i]["momentum_buffer"], theirs[i]["momentum_buffer"]) for i in ours)


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
    "augment": ("rotate", None, 3),
}


@pytest.mark.parametrize(("option", "value"), [(o, v) for o, values in REFUSED.items() for v in values])
def test_recipes_that_cannot_work(option, value):
    with pytest.raises(OptionError, match=f"^{option}={re.escape(repr(value))}: expected "):
        Recipe(**{option: value})


def test_recipes_at_the_edge_of_what_works():
    recipe = Recipe(epochs=1, batch_size=1, learning_rate=1, momentum=0, weight_decay=0)
    assert [recipe.rate(at) for at in (0, recipe.warmup, 1)] == [0, 1, 0]


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


@pytest.mark.parametrize(("in_channels", "layout"), [(4, torch.contiguous_format), (8, torch.channels_last)])
def test_images_are_channels_last_unless_a_shortcut_would_crash(in_channels, layout):
    block = ResidualBlock(in_channels, 8, stride=2)
    assert training_format(block, 4) == layout
    assert training_format(block, 3) == torch.contiguous_format


NARROW = """
import numpy as np, torch
from torch import nn
from convblocks import Recipe, ResidualBlock
from convblocks.data import Split
from convblocks.training import train
torch.set_num_threads(1)
x = np.random.default_rng(0).normal(size=(64, 4, 32, 32)).astype(np.float32)
data = Split(x, np.arange(64) % 2)
net = nn.Sequential(ResidualBlock(4, 8, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
train(net, data, data, Recipe(epochs=20, batch_size=32), seed=0)
"""


def test_narrow_shortcuts_train(tmp_path):
    """In channels last this ended in heap corruption nine times of ten."""
    found = subprocess.run([sys.executable, "-c", NARROW], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr

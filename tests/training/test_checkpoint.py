"""A checkpoint restores the state of any optimizer, and is refused where it is damaged or another's."""

import json
import random

import msgspec
import pytest
import torch
from msgspec.structs import asdict, replace
from safetensors import safe_open
from safetensors.torch import save_file

from convblocks.records import Epoch
from convblocks.training import train
from convblocks.training.checkpoint import (
    CheckpointError,
    Progress,
    _checksum,
    load_checkpoint,
    save_checkpoint,
)
from tests.training.test_loop import RECIPE, bits, data, net, same


def test_a_checkpoint_that_is_no_checkpoint_starts_afresh(tmp_path):
    module = net()
    optimizer = torch.optim.SGD(module.parameters())
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"half a fi")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(path, module, optimizer, "trial", epochs=4)
    path.unlink()
    assert load_checkpoint(path, module, optimizer, "trial", epochs=4) == Progress()


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
        lambda h, t: t.update({"optimizer.0.momentum_buffer": torch.zeros(1)}),
        "is of another network",
    ),
    "momentum of no parameter": (
        lambda h, t: t.update({"optimizer.99.momentum_buffer": torch.zeros(1)}),
        "is of another",
    ),
    "a state that the optimizer does not keep": (
        lambda h, t: t.update({"optimizer.0.exp_avg": t["optimizer.0.momentum_buffer"].clone()}),
        "is of another network",
    ),
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
    save_file(tensors, path, {**header, "sha256": _checksum(header, tensors)})
    expected, resumed = net(), net()
    train(expected, data(), data(seed=1), RECIPE, seed=0)
    options = {"checkpoint": path, "on_epoch": epochs.append, "on_notice": notices.append}
    train(resumed, data(), data(seed=1), RECIPE, seed=0, **options)
    assert len(epochs) == RECIPE.epochs
    assert same(bits(resumed), bits(expected))
    (text,) = notices
    assert problem in text
    assert text.endswith(": training starts afresh")


def step(module, optimizer, seed):
    """One step, with gradients that are the same for the same weights and seed."""
    torch.manual_seed(seed)
    x = torch.randn(8, 3, 6, 6).to(memory_format=torch.channels_last)
    optimizer.zero_grad()
    module(x).square().mean().backward()
    optimizer.step()


OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "fused": True}),
    "sgd without momentum": (torch.optim.SGD, {"fused": True}),
    "sgd, not fused": (torch.optim.SGD, {"momentum": 0.9}),
    "adamw": (torch.optim.AdamW, {"fused": True}),
    "adamw, not fused": (torch.optim.AdamW, {}),
    "adam with amsgrad": (torch.optim.Adam, {"amsgrad": True, "fused": True}),
    "nadam": (torch.optim.NAdam, {}),
    "radam": (torch.optim.RAdam, {}),
    "rmsprop": (torch.optim.RMSprop, {"momentum": 0.9, "centered": True}),
    "adagrad": (torch.optim.Adagrad, {}),
    "adadelta": (torch.optim.Adadelta, {}),
    "rprop": (torch.optim.Rprop, {}),
}


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_any_optimizer_goes_on_to_the_same_bits(tmp_path, kind, options):
    """Three steps, the weights with their channels last, against two that stop and one that goes on."""
    undisturbed, stopped, resumed = (net().to(memory_format=torch.channels_last) for _ in range(3))
    optimizers = [kind(m.parameters(), lr=0.01, **options) for m in (undisturbed, stopped, resumed)]
    for seed in range(3):
        step(undisturbed, optimizers[0], seed)
    for seed in range(2):
        step(stopped, optimizers[1], seed)
    save_checkpoint(tmp_path / "checkpoint", stopped, optimizers[1], "trial", Progress())
    load_checkpoint(tmp_path / "checkpoint", resumed, optimizers[2], "trial", epochs=4)
    step(resumed, optimizers[2], 2)
    assert same(bits(resumed), bits(undisturbed))


def test_a_training_with_frozen_and_unused_weights_resumes(tmp_path):
    """They have no gradient, and the optimizer keeps nothing of them."""

    def partly_frozen():
        module = net()
        module[0].weight.requires_grad_(False)
        module.register_parameter("unused", torch.nn.Parameter(torch.ones(3)))
        return module

    recipe, whole, resumed, epochs = replace(RECIPE, optimizer="adamw"), partly_frozen(), partly_frozen(), []
    train(whole, data(), data(seed=1), recipe, seed=0)
    options = {"seed": 0, "checkpoint": tmp_path / "checkpoint", "on_notice": epochs.append}

    def stop(epoch):
        if epochs:
            raise KeyboardInterrupt
        epochs.append(epoch)

    with pytest.raises(KeyboardInterrupt):
        train(partly_frozen(), data(), data(seed=1), recipe, **options, checkpoint_every_s=0, on_epoch=stop)
    train(resumed, data(), data(seed=1), recipe, **options, on_epoch=epochs.append)
    assert len(epochs) == recipe.epochs  # the first, and those after the interrupt
    assert same(bits(resumed), bits(whole))


def test_the_checkpoint_of_a_version_without_optimizers_starts_afresh_and_says_so(tmp_path):
    """Its recipe named none, and its momentum had another name."""
    path, notices, epochs = tmp_path / "checkpoint.safetensors", [], []
    module = net()
    recipe = {name: value for name, value in asdict(RECIPE).items() if name != "optimizer"}
    tensors = {f"module.{name}": t.contiguous() for name, t in module.state_dict().items()}
    tensors |= {f"momentum.{i}": torch.ones_like(p) for i, p in enumerate(module.parameters())}
    progress = Progress((Epoch(train_loss=1.0, train_score=0.5, validation_score=0.25),), (1.5,))
    header = {
        "trial": msgspec.json.encode(["a", 0, recipe]).decode(),
        "progress": msgspec.json.encode(progress).decode(),
    }
    save_file(tensors, path, {**header, "sha256": _checksum(header, tensors)})
    options = {"seed": 0, "checkpoint": path, "checkpoint_key": "a"}
    train(
        net(),
        data(),
        data(seed=1),
        RECIPE,
        **options,
        checkpoint_every_s=0,
        on_epoch=epochs.append,
        on_notice=notices.append,
    )
    assert notices == [f"{path} is of another training, or of an earlier version: training starts afresh"]
    assert len(epochs) == RECIPE.epochs
    again = []
    train(net(), data(), data(seed=1), RECIPE, **options, on_epoch=again.append, on_notice=notices.append)
    assert (again, len(notices)) == ([], 1)

"""The loop against one written out here, fed with the batches that it fed."""

import numpy as np
import pytest
import torch
from torch import nn

from convblocks.data import Split
from convblocks.training import Recipe, train

EXAMPLES, BATCH, EPOCHS = 40, 8, 3
RNG = np.random.default_rng(0)
DATA = Split(RNG.normal(size=(EXAMPLES, 2, 3, 8)).astype(np.float32), RNG.integers(0, 3, EXAMPLES))


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 5), nn.Tanh(), nn.Linear(5, 3))


def fed(recipe, module=None):
    """The batches that a training feeds its module, in order."""
    batches = []
    module = module or net()

    def keep(module, inputs):
        if module.training:
            batches.append(inputs[0].clone())

    module.register_forward_pre_hook(keep)
    train(module, DATA, DATA, recipe, seed=0)
    return batches


def position(x):
    """Which example x is, or None for what is no example as given."""
    found = np.flatnonzero((DATA.x == x.numpy()).all(axis=(1, 2, 3)))
    return int(found[0]) if len(found) else None


@pytest.mark.parametrize(
    ("momentum", "weight_decay"), [(0.9, 0.0), (0.0, 0.0), (0.0, 0.1), (0.9, 0.1)], ids=str
)
def test_steps_are_those_of_sgd_written_by_hand(momentum, weight_decay):
    """Nesterov as PyTorch has it: b ← μb + g, w ← w − lr (g + μb), with g = gradient + decay · w.

    The rate is a triangle over all steps, its peak after `warmup` of them and 0 beyond both ends.
    """
    recipe = Recipe(
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=0.2,
        momentum=momentum,
        weight_decay=weight_decay,
        warmup=0.25,
    )
    trained, by_hand = net(), net()
    batches = fed(recipe, trained)
    steps = EPOCHS * EXAMPLES // BATCH
    assert len(batches) == steps
    weights = list(by_hand.parameters())
    buffers = [torch.zeros_like(w) for w in weights]
    for step, x in enumerate(batches, start=1):
        rate = 0.2 * np.interp(step / (steps + 1), [0, 0.25, 1], [0, 1, 0])
        y = torch.tensor([DATA.y[position(example)] for example in x])
        scores = by_hand(x).log_softmax(1)
        loss = -scores[torch.arange(len(y)), y].mean()
        for w, b, gradient in zip(weights, buffers, torch.autograd.grad(loss, weights), strict=True):
            g = gradient + weight_decay * w.detach()
            b.mul_(momentum).add_(g)
            w.data -= rate * (g + momentum * b)
    for found, expected in zip(trained.parameters(), weights, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_every_epoch_passes_all_examples_in_an_order_of_its_own():
    batches = fed(Recipe(epochs=EPOCHS, batch_size=BATCH))
    order = np.array([position(x) for batch in batches for x in batch]).reshape(EPOCHS, EXAMPLES)
    assert (np.sort(order, axis=1) == np.arange(EXAMPLES)).all()
    orders = {tuple(epoch) for epoch in order} | {tuple(range(EXAMPLES))}
    assert len(orders) == EPOCHS + 1


def test_examples_are_flipped_as_asked():
    batches = torch.cat(fed(Recipe(epochs=EPOCHS, batch_size=BATCH, augment="flip")))
    as_given = [position(x) for x in batches]
    mirrored = [position(x.flip(-1)) for x in batches]
    assert all((a is None) != (m is None) for a, m in zip(as_given, mirrored, strict=True))
    assert 0.3 < np.mean([a is None for a in as_given]) < 0.7


def test_examples_are_shifted_as_asked():
    """Of axes of 3 and 8 only the longer moves, by up to 1."""
    batches = torch.cat(fed(Recipe(epochs=EPOCHS, batch_size=BATCH, augment="shift")))
    moved = [x for x in batches if position(x) is None]
    assert 0.5 < len(moved) / len(batches) < 0.8
    inner = DATA.x[..., 1:-1]  # what is left of an example whichever way it moved
    for x in moved:
        ways = (x[..., :-2].numpy(), x[..., 2:].numpy())
        assert any((inner == way).all(axis=(1, 2, 3)).any() for way in ways)

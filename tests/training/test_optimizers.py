"""Optimizers of a recipe: the bits of a loop written with torch's own, and the steps that the paper gives."""

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from torch.nn import functional as F

from convblocks.training import train
from tests.training.test_loop import RECIPE, bits, data, net, same
from tests.training.test_loop_by_hand import BATCH, DATA, EPOCHS, EXAMPLES, fed, position
from tests.training.test_loop_by_hand import net as small_net

RECIPE = replace(RECIPE, augment="none", weight_decay=0.01, momentum=0.8, learning_rate=0.03)
TORCHS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.03, momentum=0.8, nesterov=True, weight_decay=0.01, fused=True),
    "adamw": lambda p: torch.optim.AdamW(p, 0.03, betas=(0.8, 0.999), weight_decay=0.01, fused=True),
}


@pytest.mark.parametrize("name", TORCHS)
def test_bits_are_those_of_a_loop_with_torchs_own(name):
    """Images with their channels last; dropout's draws follow the seed of each epoch, as the order does."""
    trained, by_hand, split = net(), net().to(memory_format=torch.channels_last), data()
    train(trained, split, data(seed=1), replace(RECIPE, optimizer=name), seed=5)
    optimizer, steps = TORCHS[name](by_hand.parameters()), len(split) // RECIPE.batch_size
    for epoch in range(RECIPE.epochs):
        word = np.random.SeedSequence([5, epoch]).generate_state(1, np.uint64)[0]
        seed = int(word >> 2) * 2
        order = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))
        torch.manual_seed(seed + 1)
        by_hand.train()
        for step in range(steps):
            chosen = order[step * RECIPE.batch_size :][: RECIPE.batch_size]
            x = torch.from_numpy(split.x)[chosen].to(memory_format=torch.channels_last)
            optimizer.zero_grad()
            F.cross_entropy(by_hand(x), torch.from_numpy(split.y)[chosen]).backward()
            part = (epoch * steps + step + 1) / (RECIPE.epochs * steps + 1)
            optimizer.param_groups[0]["lr"] = 0.03 * min(part / 0.3, (1 - part) / (1 - 0.3))
            optimizer.step()
    assert same(bits(trained), bits(by_hand))


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_steps_of_adamw_are_those_of_the_paper(weight_decay):
    """Loshchilov & Hutter 2019, algorithm 2, in float64: decay is η_t λ w, and moments are corrected by 1 − βᵗ."""
    recipe = replace(
        RECIPE,
        optimizer="adamw",
        epochs=EPOCHS,
        batch_size=BATCH,
        momentum=0.7,
        learning_rate=0.05,
        weight_decay=weight_decay,
    )
    trained, by_hand = small_net(), small_net().double()
    batches, steps = fed(recipe, trained), EPOCHS * EXAMPLES // BATCH
    weights = list(by_hand.parameters())
    first, second = ([torch.zeros_like(w) for w in weights] for _ in range(2))
    for step, x in enumerate(batches, start=1):
        rate = 0.05 * np.interp(step / (steps + 1), [0, 0.3, 1], [0, 1, 0])
        y = torch.tensor([DATA.y[position(example)] for example in x])
        loss = F.cross_entropy(by_hand(x.double()), y)
        for w, m, v, g in zip(weights, first, second, torch.autograd.grad(loss, weights), strict=True):
            m.mul_(0.7).add_(0.3 * g)
            v.mul_(0.999).add_(0.001 * g * g)
            moved = (m / (1 - 0.7**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
            w.data -= rate * (moved + weight_decay * w.detach())
    for found, expected in zip(trained.parameters(), weights, strict=True):
        torch.testing.assert_close(found, expected.float(), rtol=1e-3, atol=1e-4)

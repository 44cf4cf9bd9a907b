"""The training loop: a function of module, data, recipe and seed that repeats bit for bit."""

from collections.abc import Callable, Iterator
from math import isfinite
from pathlib import Path
from time import perf_counter

import msgspec
import numpy as np
import torch
from torch import nn

from convblocks.data.dataset import Split
from convblocks.records import Epoch
from convblocks.training import objective
from convblocks.training.augment import augment
from convblocks.training.checkpoint import CheckpointError, Progress, load_checkpoint, save_checkpoint
from convblocks.training.objective import Outcome
from convblocks.training.recipe import Recipe

CHECKPOINT_EVERY_S = 10.0
EVALUATION_BATCH = 256


def train(
    module: nn.Module,
    data: Split,
    validation: Split,
    recipe: Recipe,
    *,
    seed: int,
    device: str = "cpu",
    checkpoint: Path | None = None,
    checkpoint_key: str = "",
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_notice: Callable[[str], None] = lambda text: None,
) -> Progress:
    """Train `module` in place on examples (N, C, *spatial) and classes (N,) or label maps; returns what happened.

    All randomness of an epoch is drawn from (seed, epoch), so that a run resumed from `checkpoint` ends
    with the same bits. A checkpoint serves only the seed, the recipe and the `checkpoint_key` (what else makes a
    training the same, such as its data) that it was saved with; where it is another's or damaged, training starts
    afresh and `on_notice` gets a sentence. Stops at a loss that is no longer finite and says so in `failure`.
    """
    place(module, training_format(module, data.x.ndim), device)
    optimizer = torch.optim.SGD(
        module.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    trial = msgspec.json.encode([checkpoint_key, seed, recipe]).decode()
    progress = Progress()
    if checkpoint:
        try:
            progress = load_checkpoint(checkpoint, module, optimizer, trial, epochs=recipe.epochs)
        except CheckpointError as error:
            on_notice(f"{checkpoint} {error}: training starts afresh")
    saved_at = perf_counter()
    for epoch in range(len(progress.epochs), recipe.epochs):
        if progress.failure:
            break
        started = perf_counter()
        loss, score = _one_epoch(module, optimizer, data, recipe, seed, epoch, device)
        seconds = perf_counter() - started
        record = Epoch(
            train_loss=loss if isfinite(loss) else None,
            train_score=score,
            validation_score=evaluate(module, validation, device=device).score,
        )
        failure = "" if isfinite(loss) else f"the loss became {loss} in epoch {epoch + 1}"
        progress = Progress((*progress.epochs, record), (*progress.epoch_s, seconds), failure)
        on_epoch(record)
        if checkpoint and perf_counter() - saved_at >= checkpoint_every_s:
            save_checkpoint(checkpoint, module, optimizer, trial, progress)
            saved_at = perf_counter()
    return progress


def _one_epoch(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Split,
    recipe: Recipe,
    seed: int,
    epoch: int,
    device: str,
) -> tuple[float, float]:
    """Mean loss, and the score, over the epoch's batches as they passed."""
    module.train()
    generator = torch.Generator().manual_seed(_mix(seed, epoch))
    torch.manual_seed(_mix(seed, epoch) + 1)  # stochastic depth and dropout draw from the global generator
    batches = list(_batches(len(data.y), recipe.batch_size, generator))
    loss_sum = torch.zeros((), dtype=torch.float64, device=device)
    total = torch.zeros((), dtype=torch.int64, device=device)
    for step, chosen in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate((epoch * len(batches) + step + 1) / (recipe.epochs * len(batches) + 1))
        examples, targets = torch.from_numpy(data.x[chosen]), objective.as_targets(data.y[chosen])
        x, y = augment(examples, targets, recipe.augment, generator)
        x, y = x.to(device, memory_format=training_format(module, x.ndim)), y.to(device)
        scores = module(x)
        loss = objective.loss(scores, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            loss_sum = loss_sum + loss.double() * len(y)
            total = total + objective.hits(scores, y).sum(0)
    examples_seen = sum(map(len, batches))
    return loss_sum.item() / examples_seen, objective.score(total, examples_seen)


def _batches(n: int, size: int, generator: torch.Generator) -> Iterator[np.ndarray]:
    """Positions in random order; a last batch that is not full is left out, unless it is the only one."""
    order = torch.randperm(n, generator=generator).numpy()
    for start in range(0, max(1, n - size + 1), size):
        yield order[start : start + size]


def evaluate(module: nn.Module, data: Split, *, device: str = "cpu") -> Outcome:
    """What the module, in eval mode, gets wrong, and its score."""
    module.eval()
    found: list[torch.Tensor] = []
    with torch.inference_mode():
        for start in range(0, len(data.y), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            x = torch.from_numpy(data.x[part])
            x = x.to(device, memory_format=memory_format(x.ndim))
            found.append(objective.hits(module(x), objective.as_targets(data.y[part]).to(device)).cpu())
    return objective.outcome(torch.cat(found))


def place(module: nn.Module, layout: torch.memory_format, device: str) -> nn.Module:
    """Move a module to a device, its weights in that layout."""
    return module.to(device=device, memory_format=layout)  # type: ignore[call-overload]  # torch lacks it


def memory_format(ndim: int) -> torch.memory_format:
    """Channels last for images, which CPUs and GPUs convolve faster."""
    return torch.channels_last if ndim == 4 else torch.contiguous_format


def training_format(module: nn.Module, ndim: int) -> torch.memory_format:
    """The same, unless the backward pass of a layer would crash in it."""
    crashes = any(map(_crashes_in_channels_last, module.modules()))
    return torch.contiguous_format if crashes else memory_format(ndim)


def _crashes_in_channels_last(layer: nn.Module) -> bool:
    """torch 2.13's CPU kernel for a 1×1 convolution with stride writes past its buffer for fewer than 8 channels."""
    return (
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and max(layer.stride) > 1
        and layer.in_channels // layer.groups < 8
    )


def _mix(seed: int, epoch: int) -> int:
    """A generator seed for each (seed, epoch); even, so that adding 1 gives another."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 2) * 2

"""The training loop: a function of module, data, recipe and seed that repeats bit for bit."""

from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from time import perf_counter

import msgspec
import torch
from torch import nn

from convblocks.data.dataset import Split
from convblocks.records import Epoch
from convblocks.records.recipe import Recipe
from convblocks.training import objective
from convblocks.training.batches import ArrayBatches, Batches, epoch_seed
from convblocks.training.checkpoint import CheckpointError, Progress, load_checkpoint, save_checkpoint
from convblocks.training.objective import Outcome
from convblocks.training.optimizers import OPTIMIZERS
from convblocks.training.placement import CPU, Placement

CHECKPOINT_EVERY_S = 10.0
EVALUATION_BATCH = 256


def train(
    module: nn.Module,
    data: Split | Batches,
    validation: Split,
    recipe: Recipe,
    *,
    seed: int,
    placement: Placement = CPU,
    checkpoint: Path | None = None,
    checkpoint_key: str = "",
    checkpoint_every_s: float = CHECKPOINT_EVERY_S,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_notice: Callable[[str], None] = lambda text: None,
    should_stop: Callable[[Sequence[Epoch]], bool] = lambda epochs: False,
) -> Progress:
    """Trains `module` in place, and returns its scores of each epoch.

    All randomness of an epoch is drawn from (seed, epoch), so that a run resumed from `checkpoint` ends with the same
    bits. Training stops at a loss that is no longer finite, which `failure` of the result states.

    Args:
        module: takes examples (N, C, *spatial), and returns scores (N, classes) or (N, classes, *spatial).
        data: a Split, which the recipe batches and augments, or `Batches` of another kind, which do both themselves.
        validation: the examples that score each epoch.
        recipe: optimizer, learning rate and the like.
        seed: the number that all randomness follows from.
        placement: device and layout.
        checkpoint: the file from which training goes on and to which its state is saved; None for none.
        checkpoint_key: text that describes what else a training follows from, such as its data. A checkpoint serves
            only the key, seed and recipe that it was saved with; otherwise, or where it is damaged, training starts
            afresh and `on_notice` gets a sentence.
        checkpoint_every_s: seconds between two checkpoints.
        on_epoch: is called after each epoch.
        on_notice: is called with a sentence on a checkpoint that cannot be used.
        should_stop: takes the epochs so far, before each further one, and returns whether to end here.
    """
    batches = ArrayBatches(data, recipe.batch_size, recipe.augment) if isinstance(data, Split) else data
    training = placement.for_training(module)
    training.place(module, 1 + len(batches.shape))
    optimizer = OPTIMIZERS[recipe.optimizer](module.parameters(), recipe)
    trial = msgspec.json.encode([checkpoint_key, seed, recipe]).decode()
    progress = Progress()
    if checkpoint:
        try:
            progress = load_checkpoint(checkpoint, module, optimizer, trial, epochs=recipe.epochs)
        except CheckpointError as error:
            on_notice(f"{checkpoint} {error}: training starts afresh")
    saved_at = perf_counter()
    for epoch in range(len(progress.epochs), recipe.epochs):
        if progress.failure or (progress.epochs and should_stop(progress.epochs)):
            break
        started = perf_counter()
        loss, score = _one_epoch(module, optimizer, batches, recipe, seed, epoch, training)
        seconds = perf_counter() - started
        record = Epoch(
            train_loss=loss if isfinite(loss) else None,
            train_score=score,
            validation_score=evaluate(module, validation, placement=placement).score,
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
    batches: Batches,
    recipe: Recipe,
    seed: int,
    epoch: int,
    placement: Placement,
) -> tuple[float, float]:
    """Trains one epoch; returns mean loss and score over its batches as they passed."""
    module.train()
    # stochastic depth and dropout draw from the global generator
    torch.manual_seed(epoch_seed(seed, epoch) + 1)
    loss_sum = torch.zeros((), dtype=torch.float64, device=placement.device)
    total = torch.zeros((), dtype=torch.int64, device=placement.device)
    examples = 0
    for step, (x, y) in enumerate(batches.epoch(seed, epoch)):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate((epoch * len(batches) + step + 1) / (recipe.epochs * len(batches) + 1))
        x, y = placement.place_examples(x), y.to(placement.device)
        scores = module(x)
        loss = objective.loss(scores, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            loss_sum = loss_sum + loss.double() * len(y)
            total = total + objective.hits(scores, y).sum(0)
            examples += len(y)
    return loss_sum.item() / examples, objective.score(total, examples)


def evaluate(module: nn.Module, data: Split, *, placement: Placement = CPU) -> Outcome:
    """Returns the errors of the module in eval mode, and its score."""
    module.eval()
    hits: list[torch.Tensor] = []
    with torch.inference_mode():
        for start in range(0, len(data.y), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            x = placement.place_examples(torch.from_numpy(data.x[part]))
            y = objective.as_targets(data.y[part]).to(placement.device)
            hits.append(objective.hits(module(x), y).cpu())
    return objective.outcome(torch.cat(hits))

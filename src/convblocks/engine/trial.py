"""One trial: a design trained with one seed, as a worker does it."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import torch
from safetensors.torch import save

from convblocks.data import Split
from convblocks.engine.contracts import Trial
from convblocks.errors import OptionError, RunError
from convblocks.layers import initialise_
from convblocks.measure import describe_host
from convblocks.networks import ConvNet, Network
from convblocks.records import Design, Epoch, Host, Run, RunTiming
from convblocks.runs.shared_examples import SharedDataset
from convblocks.runs.store import RunFolder
from convblocks.training import ArrayBatches, Placement, Recipe, evaluate, train
from convblocks.training.loop import CHECKPOINT_EVERY_S


class Listener(Protocol):
    """Hears from a trial while it trains, and may end it."""

    def on_epoch(self, epoch: Epoch) -> None:
        """Takes the figures of one more epoch."""

    def on_notice(self, text: str) -> None:
        """Takes a sentence for the user."""

    def should_stop(self, epochs: Sequence[Epoch]) -> bool:
        """Returns whether to train no further after `epochs`."""


@dataclass(frozen=True)
class Trainer:
    """Trains any trial of a study and adds the run to its folder; called in worker processes.

    The run is on disk before anyone hears of it, so that neither this worker's death nor another's loses it.
    """

    examples: SharedDataset
    recipe: Recipe
    folder: Path
    placement: Placement
    checkpoint_every_s: float = CHECKPOINT_EVERY_S

    def __call__(self, trial: Trial, listener: Listener) -> Run:
        """Returns the run. Raises RunError for whatever goes wrong."""
        try:
            run = self._train(trial.design, trial.seed, listener)
            RunFolder(self.folder).add_run(run)
            return run
        except BaseException as error:  # a user's block may raise anything, SystemExit too
            reason = " ".join(str(error).split()) if isinstance(error, Exception) else ""
            reason = reason or f"{type(error).__name__} {error}".strip()
            raise RunError(f"training {trial.design.name} with seed {trial.seed} failed: {reason}") from error

    def _train(self, design: Design, seed: int, listener: Listener) -> Run:
        store, data = RunFolder(self.folder), self.examples.open()
        # before any work: what is in the way is said at once
        store.weights(design.name, seed)
        checkpoint = store.checkpoint(design.name, seed)
        module = start(design, seed, data.train, self.recipe.init)
        host = describe_host(self.placement.device)
        batches = ArrayBatches(data.train, self.recipe.batch_size, self.recipe.augment)
        progress = train(
            module,
            batches,
            data.validation,
            self.recipe,
            seed=seed,
            placement=self.placement,
            checkpoint=checkpoint,
            checkpoint_key=_checkpoint_key(store.digest(), design, host),
            checkpoint_every_s=self.checkpoint_every_s,
            on_epoch=listener.on_epoch,
            on_notice=listener.on_notice,
            should_stop=listener.should_stop,
        )
        validation = evaluate(module, data.validation, placement=self.placement)
        test = evaluate(module, data.test, placement=self.placement)  # once, after the last epoch
        weights = save(
            {name: t.cpu().contiguous() for name, t in module.state_dict().items()},
            {"network": msgspec.json.encode(design.network).decode()},
        )
        store.save_weights(design.name, seed, weights)
        ended = bool(progress.failure) or len(progress.epochs) == self.recipe.epochs
        passed = min(len(data.train), len(batches) * batches.batch_size)  # examples in an epoch
        return Run(
            design=design.name,
            seed=seed,
            epochs=progress.epochs,
            validation_errors=validation.errors,
            test_errors=test.errors,
            validation_overlaps=validation.overlaps,
            test_overlaps=test.overlaps,
            validation_score=validation.score,
            test_score=test.score,
            weights_sha256=sha256(weights).hexdigest(),
            timing=RunTiming(
                epoch_s=progress.epoch_s,
                images_per_s=len(progress.epochs) * passed / sum(progress.epoch_s),
            ),
            failure=progress.failure,
            host=host,
            stopped=0 if ended else len(progress.epochs),
        )


def _checkpoint_key(study: str, design: Design, host: Host) -> str:
    """Returns what a training follows from beside its seed and recipe; another processor or torch gives other bits.

    Args:
        study: the digest of the study, which is of the data.
        design: what is trained.
        host: where it is trained.
    """
    parts = [study, design.network, host.cpu, host.device, host.versions.get("torch", "")]
    return sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()


def start(design: Design, seed: int, data: Split, init: str = "he_normal") -> ConvNet:
    """Returns the design's module as training begins: weights by `init`, inputs standardised by the training part.

    Raises OptionError for a design that `init` is not made for.
    """
    torch.manual_seed(seed)
    module = Network.from_dict(design.network).build()
    try:
        initialise_(module, init)
    except OptionError as error:
        raise OptionError(error.option, error.given, f"{design.name}: {error.expected}") from error
    axes = (0, *range(2, data.x.ndim))
    mean, std = data.x.mean(axes, dtype=np.float64), data.x.std(axes, dtype=np.float64)
    module.standardise.fit_(torch.from_numpy(mean).float(), torch.from_numpy(std).float())
    return module

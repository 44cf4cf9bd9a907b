"""Batches of training examples for each epoch, from arrays or from a source of any other kind."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from convblocks.data.dataset import Split
from convblocks.training.augment import augment
from convblocks.training.objective import as_targets

Batch = tuple[torch.Tensor, torch.Tensor]
"""Examples (N, C, *spatial), and their classes (N,) or label maps (N, *spatial) as `as_targets` gives them."""


class Batches(Protocol):
    """A source of training examples, which orders, batches and augments them.

    A training that resumes at an epoch must read what it would have read, so that each epoch follows from (seed, epoch)
    alone, and draws from generators of its own: torch's global one is the module's, for dropout.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example: channels, then 1, 2 or 3 spatial axes."""

    def __len__(self) -> int:
        """Number of batches in each epoch, at least 1."""

    def epoch(self, seed: int, epoch: int) -> Iterator[Batch]:
        """Yields the batches of an epoch, which counts from 0, as tensors on the CPU."""


@dataclass(frozen=True)
class ArrayBatches:
    """Batches of arrays in memory, or mapped into it from files.

    Each epoch passes the examples in another order. A last batch that is not full is left out, unless it is the only
    one.

    Args:
        split: the examples, with their classes or label maps.
        batch_size: examples of a batch.
        augmentation: one of AUGMENTATIONS, as Recipe.augment.
    """

    split: Split
    batch_size: int
    augmentation: str = "none"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.split.x.shape[1:]

    def __len__(self) -> int:
        return max(1, len(self.split) // self.batch_size)

    def epoch(self, seed: int, epoch: int) -> Iterator[Batch]:
        """Yields the batches of an epoch in the order that (seed, epoch) gives, augmented."""
        generator = torch.Generator().manual_seed(epoch_seed(seed, epoch))
        order = torch.randperm(len(self.split), generator=generator).numpy()
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            chosen = order[start : start + self.batch_size]
            x, y = torch.from_numpy(self.split.x[chosen]), as_targets(self.split.y[chosen])
            yield augment(x, y, self.augmentation, generator)


def epoch_seed(seed: int, epoch: int) -> int:
    """Returns a generator's seed for each (seed, epoch); it is even, so that adding 1 gives another."""
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 2) * 2

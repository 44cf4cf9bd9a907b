"""Shares one copy of the examples with all workers, in files whose pages they map."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convblocks.data import Dataset, Split
from convblocks.data.split import PARTS
from convblocks.records import DataCard


@dataclass(frozen=True)
class SharedDataset:
    """The place of a data set's arrays, small enough to send to every worker."""

    card: DataCard
    folder: Path

    def open(self) -> Dataset:
        """Returns the data set, bit for bit. Nothing is read before it is used, and writing changes no file."""
        train, validation, test = (Split(self._array(part, "x"), self._array(part, "y")) for part in PARTS)
        return Dataset(self.card, train, validation, test)

    def _array(self, part: str, name: str) -> np.ndarray:
        return np.asarray(np.load(self.folder / f"{part}-{name}.npy", mmap_mode="c"))


@contextmanager
def shared(dataset: Dataset, folder: Path) -> Iterator[SharedDataset]:
    """Keeps the data set's arrays in `folder`, which is ours alone, until the workers are done."""
    shutil.rmtree(folder, ignore_errors=True)  # a killed compare leaves it behind
    folder.mkdir(parents=True)
    try:
        for part in PARTS:
            split: Split = getattr(dataset, part)
            np.save(folder / f"{part}-x.npy", split.x)
            np.save(folder / f"{part}-y.npy", split.y)
        yield SharedDataset(dataset.card, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

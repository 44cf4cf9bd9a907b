"""A data set: three parts of (x, y) as arrays, and a card that describes them.

The labels tell the task: one class for each example is a data set to classify, a label map for each, with IGNORE
where there is no label, is one to segment.

The card's SHA-256 covers every value, label and class name of all three parts, so two studies with
the same hash saw the same data, split in the same way.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convblocks.data.split import PARTS
from convblocks.errors import DataError
from convblocks.records import DataCard
from convblocks.text import shown

Examples = npt.NDArray[np.uint8 | np.float32]
LabelMaps = npt.NDArray[np.uint8]
# labels (N,) or label maps
Targets = npt.NDArray[np.int64 | np.uint8]
IGNORE = 255
"""The label of a position that counts neither in the loss nor in the score."""


@dataclass(frozen=True, eq=False, slots=True)
class Split:
    """One part of a data set, contiguous: `x` (N, C, *spatial), uint8 or float32, and its labels.

    `y` is (N,) int64, from 0, to classify; (N, *spatial) uint8, from 0 or IGNORE, to segment.
    """

    x: Examples
    y: Targets

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, eq=False, slots=True)
class Dataset:
    """Examples to train on, to choose by, and to score by. `card.classes[label]` names a label."""

    card: DataCard
    train: Split
    validation: Split
    test: Split


def assemble(
    parts: Mapping[str, tuple[Examples, Targets]],
    classes: Sequence[str],
    *,
    name: str,
    source: str,
    split: str,
    preparation: str,
    skipped: int = 0,
    notes: Sequence[str] = (),
) -> Dataset:
    """Builds the data set of `parts` ("train", "validation", "test"). Raises DataError for an empty part."""
    check_class_names(classes, shown(source))
    splits = {}
    for part in PARTS:
        x, y = parts[part]
        if len(y) == 0:
            raise DataError(
                f"{shown(source)}: the {part} part is empty: add examples to it or leave the part out"
            )
        kind = np.int64 if y.ndim == 1 else np.uint8
        splits[part] = Split(np.ascontiguousarray(x), np.ascontiguousarray(y, dtype=kind))
    train, validation, test = (splits[part] for part in PARTS)
    card = DataCard(
        name=name,
        source=source,
        classes=tuple(classes),
        shape=train.x.shape[1:],
        train=len(train),
        validation=len(validation),
        test=len(test),
        split=split,
        preparation=preparation,
        skipped=skipped,
        notes=tuple(notes),
        sha256=fingerprint((train, validation, test), classes),
        task="classify" if train.y.ndim == 1 else "segment",
        pixels={
            part: tuple(label_counts(split.y, len(classes)))
            for part, split in splits.items()
            if split.y.ndim > 1
        },
    )
    return Dataset(card, train, validation, test)


def label_counts(maps: Targets, classes: int) -> list[int]:
    """Counts the positions of each class in label maps; those to ignore belong to none."""
    counts: list[int] = np.bincount(maps.reshape(-1), minlength=IGNORE + 1)[:classes].tolist()
    return counts


def fingerprint(splits: Sequence[Split], classes: Sequence[str]) -> str:
    """Returns the SHA-256 over class names and, part by part, shapes, types and bytes of x and y."""
    digest = hashlib.sha256(json.dumps(list(classes)).encode())
    for split in splits:
        for array in (split.x, split.y):
            digest.update(json.dumps([array.dtype.str, array.shape]).encode())
            digest.update(array.data)
    return digest.hexdigest()


def check_class_names(classes: Sequence[str], where: str) -> None:
    """Raises DataError for a name that no report could hold; folder names may be any bytes."""
    for name in classes:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{where}: class {name!r}: the name is not valid UTF-8 text: rename it"
            ) from error

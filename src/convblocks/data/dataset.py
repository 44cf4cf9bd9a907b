"""What training gets: three parts of (x, y) as arrays, and a card that says what they are.

The card's SHA-256 covers every value, label and class name of all three parts, so two studies with
the same hash saw the same data, split in the same way.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from convblocks.data.split import PARTS, Labels
from convblocks.data.words import shown
from convblocks.errors import DataError
from convblocks.records import DataCard

Examples = npt.NDArray[np.uint8 | np.float32]


@dataclass(frozen=True, eq=False, slots=True)
class Split:
    """One part of a data set: `x` (N, C, *spatial), uint8 or float32, contiguous; `y` (N,) int64, from 0."""

    x: Examples
    y: Labels

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, eq=False, slots=True)
class Dataset:
    """Examples to train on, to choose by, and to judge by. `card.classes[label]` names a label."""

    card: DataCard
    train: Split
    validation: Split
    test: Split


def assemble(
    parts: Mapping[str, tuple[Examples, Labels]],
    classes: Sequence[str],
    *,
    name: str,
    source: str,
    split: str,
    preparation: str,
    skipped: int = 0,
) -> Dataset:
    """The data set of `parts` ("train", "validation", "test"). Raises DataError for an empty part."""
    check_class_names(classes, shown(source))
    splits = {}
    for part in PARTS:
        x, y = parts[part]
        if len(y) == 0:
            raise DataError(
                f"{shown(source)}: the {part} part is empty: add examples to it or leave the part out"
            )
        splits[part] = Split(np.ascontiguousarray(x), np.ascontiguousarray(y, dtype=np.int64))
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
        sha256=fingerprint((train, validation, test), classes),
    )
    return Dataset(card, train, validation, test)


def fingerprint(splits: Sequence[Split], classes: Sequence[str]) -> str:
    """SHA-256 over class names and, part by part, shapes, types and bytes of x and y."""
    digest = hashlib.sha256(json.dumps(list(classes)).encode())
    for split in splits:
        for array in (split.x, split.y):
            digest.update(json.dumps([array.dtype.str, array.shape]).encode())
            digest.update(array.data)
    return digest.hexdigest()


def check_class_names(classes: Sequence[str], where: str) -> None:
    """Raise DataError for a name that no report could hold; folder names may be any bytes."""
    for name in classes:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"{where}: class {name!r}: the name is not valid UTF-8 text: rename it"
            ) from error

"""Three parts from what was given: parts that came with the data stay, missing ones are drawn by class.

A class's share of each part is rounded so that the parts' totals stay near the wanted fractions too,
and every part gets at least one example of every class.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from convblocks.errors import DataError
from convblocks.text import listed, plural

Labels = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int64]

PARTS = ("train", "validation", "test")
# train, validation, test of data without parts
FRACTIONS = (0.6, 0.2, 0.2)
# of a given train part, where validation or test is missing
HELD_OUT = 0.2


class Take(NamedTuple):
    """Examples `indices` of the given part `part`."""

    part: str
    indices: Indices


def complete(
    labels_of_part: Mapping[str, Labels], classes: Sequence[str], seed: int, where: str
) -> tuple[dict[str, Take], str]:
    """Returns the examples of train, validation and test, and a sentence on how they came about.

    `labels_of_part` has the labels of "all", or of "train" with any of "validation" and "test". Raises DataError,
    beginning with `where`, for a class without training examples, or with too few to be split.
    """
    if "all" in labels_of_part or set(labels_of_part) == {"train"}:
        whole = "all" if "all" in labels_of_part else "train"
        _check_classes(labels_of_part, whole, classes, where)
        pieces = stratified_split(labels_of_part[whole], FRACTIONS, seed, classes, where)
        takes = {part: Take(whole, piece) for part, piece in zip(PARTS, pieces, strict=True)}
        percent = ", ".join(f"{f:.0%} {part}" for f, part in zip(FRACTIONS, PARTS, strict=True))
        return takes, f"{percent}, drawn at random {_within(classes)}with split seed {seed}"
    if "train" not in labels_of_part:
        raise DataError(
            f"{where}: there is a {' and a '.join(labels_of_part)} part but no train part: add it"
        )
    _check_classes(labels_of_part, "train", classes, where)
    takes = {part: Take(part, np.arange(len(labels))) for part, labels in labels_of_part.items()}
    missing = [part for part in PARTS if part not in labels_of_part]
    if not missing:
        return takes, "train, validation and test as given"
    fractions = (1 - HELD_OUT, HELD_OUT)
    train_indices, held_out_indices = stratified_split(
        labels_of_part["train"], fractions, seed, classes, where
    )
    takes |= {"train": Take("train", train_indices), missing[0]: Take("train", held_out_indices)}
    other = "test" if missing[0] == "validation" else "validation"
    return takes, (
        f"{other} as given; {missing[0]} is {HELD_OUT:.0%} of the given train part, drawn at random "
        f"{_within(classes)}with split seed {seed}"
    )


def _within(classes: Sequence[str]) -> str:
    """Returns nothing for examples of one kind, as those to segment are: there is nothing to draw within."""
    return "within each class " if len(classes) > 1 else ""


def stratified_split(
    labels: Labels, fractions: Sequence[float], seed: int, classes: Sequence[str], where: str
) -> tuple[Indices, ...]:
    """Returns sorted indices of each part: disjoint, together all of `labels`, each class split by `fractions`.

    The same labels, fractions and seed give the same parts. Raises DataError, with `where` and the name
    among `classes`, for a class with fewer examples than there are parts.
    """
    shares_of_one = np.asarray(fractions, dtype=np.float64)
    rng = np.random.default_rng(seed)
    counts = np.bincount(labels)
    members = np.split(np.argsort(labels, kind="stable"), np.cumsum(counts)[:-1])
    # what each part should have got so far, less what it got
    owed = np.zeros(len(fractions))
    chosen: list[list[Indices]] = [[] for _ in fractions]
    for label, (count, indices) in enumerate(zip(counts.tolist(), members, strict=True)):
        if count == 0:
            continue
        if count < len(fractions):
            unclassed = len(classes) == 1
            has = "has" if unclassed else f"class {classes[label]!r} has"
            fix = "add examples" if unclassed else "add examples, leave the class out,"
            raise DataError(
                f"{where}: {has} {plural(count, 'example')}, and a split "
                f"into {len(fractions)} parts takes at least {len(fractions)}: {fix} or give the parts"
            )
        shares = _shares(count, shares_of_one, owed)
        owed += count * shares_of_one - shares
        pieces = np.split(rng.permutation(indices), np.cumsum(shares)[:-1])
        for part, piece in zip(chosen, pieces, strict=True):
            part.append(piece)
    return tuple(np.sort(np.concatenate(part)) for part in chosen)


def _shares(count: int, fractions: npt.NDArray[np.float64], owed: npt.NDArray[np.float64]) -> Indices:
    """Returns the number of examples of each part: its fraction of `count` rounded up where most is owed, else down."""
    ideal = count * fractions
    shares = np.maximum(np.floor(ideal + 1e-9), 1).astype(np.int64)
    # the guaranteed one of a small part has to come from a large one
    while shares.sum() > count:
        shares[np.argmax(np.where(shares > 1, shares - ideal, -np.inf))] -= 1
    room = shares < np.ceil(ideal - 1e-9)
    wanted = np.where(room, owed + ideal - shares, -np.inf)
    shares[np.argsort(-wanted, kind="stable")[: count - shares.sum()]] += 1
    return shares


def _check_classes(
    labels_of_part: Mapping[str, Labels], train: str, classes: Sequence[str], where: str
) -> None:
    """Raises DataError for a class without examples to train on."""
    counts = np.bincount(labels_of_part[train], minlength=len(classes))
    for label, name in enumerate(classes):
        if counts[label]:
            continue
        other_parts = [part for part, labels in labels_of_part.items() if np.any(labels == label)]
        problem = f"is in {listed(other_parts)} but not in train" if other_parts else "has no usable example"
        raise DataError(f"{where}: class {name!r} {problem}: add examples to train on or leave it out")

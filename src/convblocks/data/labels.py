"""Labels of any kind, whole numbers, text or one-hot rows, as numbers from 0 and the names of the classes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convblocks.data.split import Labels
from convblocks.errors import DataError
from convblocks.text import listed, plural

EXPECTED = "expected one class per example, a whole number or text"


class Encoded(NamedTuple):
    """Class names, sorted by value; each array of labels as positions among them; and notes on how they were read."""

    classes: tuple[str, ...]
    labels: dict[str, Labels]
    notes: list[str]


def encode_labels(labels: Mapping[str, npt.NDArray[Any]], where: str) -> Encoded:
    """Encodes labels of shape (N,), (N, 1) or one-hot (N, K); the keys name them in messages, `where` the file.

    Raises DataError for other shapes, for values that are no classes, for several labels an example, and for fewer
    than two classes.
    """
    notes: list[str] = []
    if any(values.ndim == 2 and values.shape[1] > 1 for values in labels.values()):
        labels, notes = _one_hot(labels, where)
    plain = {key: _plain(values, f"{where}: {key}") for key, values in labels.items()}
    if len({values.dtype.kind for values in plain.values()}) > 1:
        raise DataError(f"{where}: {listed(plain)} hold numbers and text: {EXPECTED}, the same in all parts")
    values, codes = np.unique(np.concatenate(list(plain.values())), return_inverse=True)
    if len(values) < 2:
        raise DataError(
            f"{where}: all labels are {values[0]!s}, and to classify takes two classes: {EXPECTED}"
        )
    try:
        names = tuple(str(value) for value in values.tolist())
    except (ValueError, SystemError) as error:  # numpy can hold numbers that are no characters
        raise DataError(f"{where}: a label in {listed(plain, 'or')} is not valid text: {EXPECTED}") from error
    ends = np.cumsum([len(v) for v in plain.values()])[:-1]
    pieces = np.split(codes.reshape(-1).astype(np.int64), ends)
    return Encoded(names, dict(zip(plain, pieces, strict=True)), notes)


def _one_hot(
    labels: Mapping[str, npt.NDArray[Any]], where: str
) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    """Returns the position of the 1 in each row, and a note that says so.

    Raises DataError unless each row has one 1, and 0 elsewhere.
    """
    for key, values in labels.items():
        at = f"{where}: {key}"
        first = next(iter(labels))
        if values.shape[1:] != labels[first].shape[1:]:
            shapes = f"has shape {values.shape} and {first} {labels[first].shape}"
            raise DataError(f"{at} {shapes}: {EXPECTED}, the same in all parts")
        if values.dtype.kind not in "biuf" or not np.isin(values, (0, 1)).all():
            raise DataError(
                f"{at}: has shape {values.shape}, so {values.shape[1]} values for each example, and they are not all "
                f"0 or 1: {EXPECTED}, so (N,), (N, 1) or one-hot; keep the one column that is the class"
            )
        marks = np.count_nonzero(values, axis=1)
        if wrong := int(np.count_nonzero(marks != 1)):
            raise DataError(
                f"{at}: multi-label data: {values.shape[1]} yes/no labels for each example, and "
                f"{wrong:,} of {plural(len(values), 'row')} have several or none set; convblocks takes one class per "
                f"example: save one column as the labels, which makes yes and no the classes, or keep only examples "
                f"with exactly one label"
            )
    number = next(iter(labels.values())).shape[1]
    places = {key: values.argmax(axis=1) for key, values in labels.items()}
    return places, [f"one-hot labels of {number} columns read as classes 0 to {number - 1}"]


def _plain(values: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
    """Returns labels (N,) of int64 or text."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(
            f"{where}: has shape {values.shape}: {EXPECTED}, so (N,), (N, 1) or one-hot (N, K); to segment, give a "
            f"folder with images/ and masks/"
        )
    kind = values.dtype.kind
    if kind == "U":
        return values
    if kind == "S":
        try:
            return np.char.decode(values, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{where}: holds bytes that are not UTF-8 text: {EXPECTED}") from error
    if kind not in "biuf":
        raise DataError(f"{where}: holds {values.dtype}: {EXPECTED}")
    return _whole(values, where)


def _whole(values: npt.NDArray[Any], where: str) -> Labels:
    # NaN and what is too large fail the comparison
    with np.errstate(invalid="ignore"):
        whole = values.astype(np.int64)
        wrong = np.flatnonzero(whole != values)
    if len(wrong):
        first = int(wrong[0])
        raise DataError(
            f"{where}: holds {values[first]} at index {first}: {EXPECTED}, and numbers below 2^63"
        )
    return whole

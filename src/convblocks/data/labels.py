"""Labels of any kind, whole numbers or text, as numbers from 0 and the names of the classes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from convblocks.data.split import Labels
from convblocks.errors import DataError

WANTED = "expected one class per example, a whole number or text"


def encode_labels(
    labels: Mapping[str, npt.NDArray[Any]], where: str
) -> tuple[tuple[str, ...], dict[str, Labels]]:
    """Class names, sorted by value, and each array of `labels` as positions among them.

    Arrays have shape (N,) or (N, 1), and the keys are their names for messages, as `where` is the file's.
    Raises DataError for other shapes, for values that are no classes, and for fewer than two classes.
    """
    plain = {key: _plain(values, f"{where}: {key}") for key, values in labels.items()}
    if len({values.dtype.kind for values in plain.values()}) > 1:
        raise DataError(
            f"{where}: {' and '.join(plain)} hold numbers and text: {WANTED}, the same in all parts"
        )
    values, codes = np.unique(np.concatenate(list(plain.values())), return_inverse=True)
    if len(values) < 2:
        raise DataError(f"{where}: all labels are {values[0]!s}, and to classify takes two classes: {WANTED}")
    try:
        names = tuple(str(value) for value in values.tolist())
    except (ValueError, SystemError) as error:  # numpy can hold numbers that are no characters
        raise DataError(f"{where}: a label in {' or '.join(plain)} is not valid text: {WANTED}") from error
    ends = np.cumsum([len(v) for v in plain.values()])[:-1]
    pieces = np.split(codes.reshape(-1).astype(np.int64), ends)
    return names, dict(zip(plain, pieces, strict=True))


def _plain(values: npt.NDArray[Any], where: str) -> npt.NDArray[Any]:
    """(N,) of int64 or text."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(
            f"{where}: has shape {values.shape}: {WANTED}, so (N,) or (N, 1); if it is one-hot, save "
            f"its argmax(axis=1)"
        )
    kind = values.dtype.kind
    if kind == "U":
        return values
    if kind == "S":
        try:
            return np.char.decode(values, "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{where}: holds bytes that are not UTF-8 text: {WANTED}") from error
    if kind not in "biuf":
        raise DataError(f"{where}: holds {values.dtype}: {WANTED}")
    return _whole(values, where)


def _whole(values: npt.NDArray[Any], where: str) -> Labels:
    with np.errstate(invalid="ignore"):  # NaN and what is too large fail the comparison
        whole = values.astype(np.int64)
        wrong = np.flatnonzero(whole != values)
    if len(wrong):
        first = int(wrong[0])
        raise DataError(f"{where}: holds {values[first]} at index {first}: {WANTED}, and numbers below 2^63")
    return whole

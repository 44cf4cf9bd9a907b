"""Labels of any kind become numbers and the names of their classes."""

import numpy as np
import pytest

from convblocks.data import load_dataset

RNG = np.random.default_rng(0)


X = RNG.integers(0, 256, (30, 7, 7), dtype=np.uint8)


Y = np.arange(30) % 3


def all_of(data) -> list[tuple[bytes, str]]:
    parts = (data.train, data.validation, data.test)
    return sorted(
        (x.tobytes(), data.card.classes[y]) for part in parts for x, y in zip(part.x, part.y, strict=True)
    )


LABELS = {
    "gaps": (np.array([5, -1, 1000])[Y], ("-1", "5", "1000"), [1, 0, 2]),
    "text": (np.array(["dog", "cat", "<b>"])[Y], ("<b>", "cat", "dog"), [2, 1, 0]),
    "bytes": (np.array([b"dog", b"cat", b"ant"])[Y], ("ant", "cat", "dog"), [2, 1, 0]),
    "whole floats": (np.array([1.0, 0.0, 2.0])[Y], ("0", "1", "2"), [1, 0, 2]),
    "numbers sort as numbers": (np.array([10, 9, 2], np.uint8)[Y], ("2", "9", "10"), [2, 1, 0]),
    "yes and no": (Y > 0, ("0", "1"), [0, 1, 1]),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels(npz, case):
    y, classes, codes = LABELS[case]
    data = load_dataset(npz(x=X, y=y))
    assert data.card.classes == classes
    expected = sorted((x.tobytes(), classes[codes[i]]) for x, i in zip(X, Y, strict=True))
    assert all_of(data) == expected


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, bool])
def test_one_hot_labels_are_classes(npz, dtype):
    """The same data as with the classes' numbers; a column without an example is no class."""
    data = load_dataset(npz(x=X, y=np.eye(5)[Y + 1].astype(dtype)))
    assert data.card.notes == ("one-hot labels of 5 columns read as classes 0 to 4",)
    plain = load_dataset(npz(x=X, y=Y + 1))
    assert data.card.sha256 == plain.card.sha256
    assert plain.card.notes == ()


def test_yes_and_no_in_two_columns(npz):
    """Keras' to_categorical of a binary question."""
    assert load_dataset(npz(x=X, y=np.stack([Y > 0, Y == 0], 1))).card.classes == ("0", "1")

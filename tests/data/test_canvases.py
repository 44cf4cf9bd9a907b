"""The embedded canvases against scikit-learn's digits, found again on them."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.datasets import load_digits

from convblocks.data import embedded, load_dataset


@pytest.fixture(scope="module")
def data():
    return load_dataset("canvases")


@pytest.fixture(scope="module")
def found(data):
    """Part → for each canvas the digits found on it: (index of the scan, row, column)."""
    by_bytes: dict[bytes, int] = {
        s.tobytes(): i for i, s in enumerate(load_digits().images.astype(np.float32))
    }
    assert len(by_bytes) == 1797  # all scans differ, so bytes tell which is which
    parts = {}
    for part in ("train", "validation", "test"):
        parts[part] = []
        for x in getattr(data, part).x[:, 0]:
            windows = sliding_window_view(x, (8, 8))
            parts[part].append(
                [
                    (by_bytes[key], row, column)
                    for row in range(windows.shape[0])
                    for column in range(windows.shape[1])
                    if (key := np.ascontiguousarray(windows[row, column]).tobytes()) in by_bytes
                ]
            )
    return parts


def test_each_canvas_is_its_scans_and_nothing_else(data, found):
    scans = load_digits()
    for part, canvases in found.items():
        split = getattr(data, part)
        for x, y, placed in zip(split.x[:, 0], split.y, canvases, strict=True):
            assert len(placed) == 4
            canvas, labels, covered = np.zeros((20, 20)), np.zeros((20, 20)), np.zeros((20, 20))
            for scan, row, column in placed:
                covered[row : row + 8, column : column + 8] += 1
                for i in range(8):
                    for j in range(8):
                        canvas[row + i, column + j] = scans.images[scan][i, j]
                        if scans.images[scan][i, j] >= 8:
                            labels[row + i, column + j] = 1 + scans.target[scan]
            assert covered.max() == 1
            assert np.array_equal(x, canvas)
            assert np.array_equal(y, labels)


def test_no_scan_is_in_two_parts(found):
    used = {part: [scan for placed in canvases for scan, _, _ in placed] for part, canvases in found.items()}
    assert not set(used["train"]) & set(used["validation"])
    assert not set(used["train"]) & set(used["test"])
    assert not set(used["validation"]) & set(used["test"])
    assert max(np.bincount(used["train"])) == 3
    for part in ("validation", "test"):
        assert len(set(used[part])) == len(used[part])  # canvases to judge by are independent


def test_card(data):
    card = data.card
    assert (card.task, card.shape, card.classes[:2]) == ("segment", (1, 20, 20), ("background", "0"))
    assert (card.train, card.validation, card.test) == (807, 90, 89)
    assert "986 canvases" in (embedded.__doc__ or "")
    assert load_dataset("canvases").card.sha256 == card.sha256
    assert load_dataset("canvases", image_size=16).train.y.shape == (807, 16, 16)

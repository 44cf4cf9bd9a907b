"""The .npz files people have, and what is said of those that cannot be used."""

import io
import zipfile

import numpy as np
import pytest

from convblocks.data import load_dataset, memory
from convblocks.data.npz import find_pairs
from convblocks.errors import DataError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (30, 7, 7), dtype=np.uint8)
Y = np.arange(30) % 3


def all_of(data) -> list[tuple[bytes, str]]:
    parts = (data.train, data.validation, data.test)
    return sorted(
        (x.tobytes(), data.card.classes[y]) for part in parts for x, y in zip(part.x, part.y, strict=True)
    )


@pytest.mark.parametrize("keys", [("x", "y"), ("X", "y"), ("images", "labels")])
def test_whole_sets_are_split(npz, keys):
    data = load_dataset(npz(**dict(zip(keys, (X, Y), strict=True))))
    assert (data.card.train, data.card.validation, data.card.test) == (18, 6, 6)
    assert all_of(data) == sorted((x.tobytes(), str(y)) for x, y in zip(X, Y, strict=True))
    assert data.card.classes == ("0", "1", "2")
    assert data.card.name == "set"


def test_medmnist_keys_and_label_columns(npz):
    arrays = {}
    for i, part in enumerate(("train", "val", "test")):
        arrays |= {f"{part}_images": X[i::3], f"{part}_labels": np.arange(10).astype(np.uint8)[:, None] % 2}
    data = load_dataset(npz(**arrays))
    assert data.card.split == "train, validation and test as given"
    for i, part in enumerate((data.train, data.validation, data.test)):
        assert np.array_equal(part.x[:, 0], X[i::3])
        assert np.array_equal(part.y, np.arange(10) % 2)


def test_keras_keys_get_a_validation_part(npz):
    data = load_dataset(npz(x_train=X, y_train=Y, x_test=X[:9], y_test=Y[:9]))
    assert (data.card.train, data.card.validation, data.card.test) == (24, 6, 9)
    assert np.array_equal(data.test.x[:, 0], X[:9])
    drawn = [x.tobytes() for part in (data.train, data.validation) for x in part.x]
    assert sorted(drawn) == sorted(x.tobytes() for x in X)


def test_loading_is_by_path_and_without_case(npz):
    path = npz(x=X, y=Y)
    upper = path.rename(path.with_suffix(".NPZ"))
    assert load_dataset(upper).card.source == str(upper)


REFUSED = {
    "no keys": ({}, r"no examples and labels found; it holds nothing; expected x and y, or x_train"),
    "other keys": (
        {"foo": X, "bar": Y},
        r"no examples and labels found; it holds foo and bar; expected x and y",
    ),
    "many keys": ({f"k{i:02}": Y for i in range(20)}, r"it holds k00, k01.* and 8 more; expected"),
    "no labels": ({"x": X}, r"x is there, y is missing; it holds x"),
    "no examples": ({"x_train": X, "y_train": Y, "y_test": Y}, r"y_test is there, x_test is missing"),
    "x and X": ({"x": X, "X": X, "y": Y}, r"holds both x and X: keep one"),
    "two spellings": ({"x": X, "y": Y, "images": X, "labels": Y}, r"holds both x and images for one part"),
    "whole and part": ({"x": X, "y": Y, "x_test": X, "y_test": Y}, r"holds x beside train or test parts"),
    "test only": ({"x_test": X, "y_test": Y}, r"there is a test part but no train part"),
    "lengths": ({"x": X[:-1], "y": Y}, r"x has 29 examples and y 30 labels"),
    "empty": ({"x": X[:0], "y": Y[:0]}, r"x has shape \(0, 7, 7\): expected \(N, L\)"),
    "no values": ({"x": X[:, :0], "y": Y}, r"x has shape \(30, 0, 7\)"),
    "flat": (
        {"x": X[:, 0, 0], "y": Y},
        r"x has shape \(30,\): expected \(N, L\) signals, \(N, H, W\) images",
    ),
    "one label": ({"x": X, "y": np.int64(1)}, r"y has shape \(\): expected \(N,\)"),
    "shapes": (
        {"x_train": X, "y_train": Y, "x_test": X[:, :5], "y_test": Y},
        r"x_train .*7, 7.* x_test .*5, 7",
    ),
    "types": (
        {"x_train": X, "y_train": Y, "x_test": X / 255, "y_test": Y},
        r"x_train uint8 .* x_test float64",
    ),
    "one class": ({"x": X, "y": Y * 0 + 7}, r"all labels are 7, and to classify takes two classes"),
    "multi-label": (
        {"x": X, "y": np.minimum(np.eye(3)[Y] + np.eye(3)[0], 1)},
        r"y: multi-label data: 3 yes/no labels for each example, and 20 of 30 rows have several or none set; .*column",
    ),
    "multi-label in one part only": (
        {"x_train": X, "y_train": np.eye(3)[Y], "x_test": X, "y_test": np.eye(3)[Y] * (Y < 1)[:, None]},
        r"y_test: multi-label data: .* 20 of 30 rows have",
    ),
    "uncertain labels": (
        {"x": X, "y": np.eye(3)[Y] - np.eye(3)[0]},
        r"y: has shape \(30, 3\), so 3 values .* not all 0 or 1: expected one class",
    ),
    "soft labels": (
        {"x": X, "y": np.eye(3)[Y] * 0.8 + 0.1},
        r"y: .*3 values for each example, .*not all 0 or 1",
    ),
    "text columns": ({"x": X, "y": np.eye(3)[Y].astype(str)}, r"y: .*not all 0 or 1"),
    "other columns": (
        {"x_train": X, "y_train": np.eye(3)[Y], "x_test": X, "y_test": np.eye(4)[Y]},
        r"y_test has shape \(30, 4\) and y_train \(30, 3\)",
    ),
    "one-hot in one part only": (
        {"x_train": X, "y_train": np.eye(3)[Y], "x_test": X, "y_test": Y},
        r"y_test has shape \(30,\) and y_train",
    ),
    "label maps": (
        {"x": X, "y": X % 3},
        r"y: has shape \(30, 7, 7\): .*to segment, give a folder with images/",
    ),
    "half labels": ({"x": X, "y": np.where(Y == 2, 0.5, Y)}, r"y: holds 0\.5 at index 2: expected one class"),
    "missing labels": ({"x": X, "y": np.where(Y == 1, np.nan, Y)}, r"y: holds nan at index 1"),
    "infinite labels": ({"x": X, "y": np.where(Y == 1, np.inf, Y)}, r"y: holds inf at index 1"),
    "huge labels": ({"x": X, "y": Y.astype(np.uint64) + 2**63}, r"y: holds 9223372036854775808 at index 0"),
    "dates": ({"x": X, "y": Y.astype("datetime64[s]")}, r"y: holds datetime64\[s\]"),
    "bad bytes": ({"x": X, "y": np.array([b"a", b"\xff", b"c"])[Y]}, r"y: holds bytes that are not UTF-8"),
    "no characters": (
        {"x": X, "y": np.array([0x110001, 97, 98], np.uint32)[Y].view("U1")},
        r"a label in y is not valid text",
    ),
    "half characters": (
        {"x": X, "y": np.array(["\ud800", "a", "b"])[Y]},
        r"class '\\ud800': the name is not valid",
    ),
    "text and numbers": (
        {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y.astype(str)},
        r"y_train and y_test hold numbers and text",
    ),
    "a new class": (
        {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 1},
        r"class '3' is in test but not in",
    ),
    "small classes": ({"x": X, "y": np.arange(30)}, r"class '0' has 1 example, and a split into 3 parts"),
    "text as examples": ({"x": X.astype(str), "y": Y}, r"x: holds <U3: expected whole or floating-point"),
    "complex": ({"x": X * 1j, "y": Y}, r"x: holds complex128"),
    "objects": (
        {"x": np.array([None] * 30), "y": Y},
        r"x cannot be read \(Object arrays.*not Python objects",
    ),
    "object labels": (
        {"x": X, "y": np.array(["a", 1, None] * 10, object)},
        r"y cannot be read \(Object arrays",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused(npz, case):
    arrays, message = REFUSED[case]
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(npz(**arrays))
    assert "set.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nan_and_infinity_stop_or_are_skipped(npz):
    x = RNG.normal(size=(30, 7, 7))
    x[4, 1, 2], x[9, 3] = np.nan, -np.inf
    path = npz(x=x, y=Y)
    with pytest.raises(
        DataError, match=r"set\.npz: x: 8 values NaN or infinite as float32, the first in example 4"
    ):
        load_dataset(path)
    data = load_dataset(path, skip_broken=True)
    assert data.card.skipped == 2
    assert "2 examples with NaN or infinite values left out" in data.card.preparation
    keep = np.delete(np.arange(30), [4, 9])
    assert all_of(data) == sorted((x[i].astype(np.float32).tobytes(), str(Y[i])) for i in keep)


def test_what_float32_cannot_hold_is_infinite(npz):
    with pytest.raises(DataError, match=r"x: 1 value NaN or infinite as float32, the first in example 2"):
        load_dataset(npz(x=np.where(np.arange(30) == 2, 1e300, 1.0)[:, None] * [[1.0, 0.0]], y=Y))


def test_a_part_left_empty_by_skipping_is_named(npz):
    x = X.astype(float)
    path = npz(x_train=x, y_train=Y, x_test=x[:3] * np.nan, y_test=Y[:3])
    with pytest.raises(DataError, match=r"set\.npz: the test part is empty"):
        load_dataset(path, skip_broken=True)


def write_zip(path, **members: bytes):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_npy", ".npy"), content)
    return path


def header(shape) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def test_damaged_files_are_refused(tmp_path, npz):
    path = npz(x=X, y=Y)
    good = path.read_bytes()
    path.write_bytes(good[:500])
    with pytest.raises(
        DataError, match=r"set\.npz: a \.npz file without its end: it may be incomplete: copy, download"
    ):
        load_dataset(path)
    path.write_bytes(good[:300] + bytes([good[300] ^ 255]) + good[301:])
    with pytest.raises(DataError, match=r"set\.npz: x cannot be read \(Bad CRC-32.*may be incomplete"):
        load_dataset(path)
    path.write_bytes(b"x,y\n1,2\n")
    with pytest.raises(DataError, match=r"set\.npz: not a \.npz file, though called so: write it with numpy"):
        load_dataset(path)
    for content, message in (
        ({"x": b"words", "y": b"words"}, r"x is not an array"),
        ({"x_npy": b"words", "y_npy": b"words"}, r"x (is not an array|cannot be read)"),
        ({"x_npy": header((10, -1)), "y_npy": b""}, r"x cannot be read \(negative dimensions"),
        ({"x_npy": header((10**15,)), "y_npy": b""}, r"does not fit into memory"),
    ):
        with pytest.raises(DataError, match=rf"set\.npz: {message}"):
            load_dataset(write_zip(path, **content))


def test_random_damage_never_shows_a_foreign_exception(tmp_path):
    stream = io.BytesIO()
    np.savez_compressed(stream, x=X, y=Y)
    good = stream.getvalue()
    path = tmp_path / "set.npz"
    for trial in range(400):
        bad = bytearray(good)
        for position in RNG.integers(0, len(bad), 3):
            bad[position] = RNG.integers(0, 256)
        path.write_bytes(bytes(bad[: RNG.integers(0, len(bad))] if trial % 6 == 0 else bad))
        try:
            load_dataset(path)
        except DataError as error:
            assert "set.npz" in str(error)
            assert "\n" not in str(error)


def test_an_unreadable_file_is_not_called_damaged(npz, monkeypatch):
    path = npz(x=X, y=Y)

    def refuse(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(
        "convblocks.data.npz.open_regular", refuse
    )  # root may read everything, so take the right away here
    with pytest.raises(DataError, match=r"set\.npz: cannot be read: Permission denied"):
        load_dataset(path)


def test_memory_is_checked_before_reading(npz, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 2000)
    with pytest.raises(
        DataError, match=r"set\.npz: its arrays, with a working copy, would take .*fewer or smaller"
    ):
        load_dataset(npz(x=X, y=Y))


def test_memory_is_checked_before_resampling(npz):
    with pytest.raises(
        DataError, match=r"resampled to 65536×65536, it would take .* pass a smaller image_size"
    ):
        load_dataset(npz(x=np.tile(X, (20, 1, 1)), y=np.tile(Y, 20)), image_size=65_536)


def test_find_pairs_keeps_the_spelling():
    assert find_pairs(["X_Train", "y_train", "meta"], "f") == {"train": ("X_Train", "y_train")}

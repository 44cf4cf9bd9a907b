"""Which axis is the channels, by shape alone; and resampling on request."""

import re

import numpy as np
import pytest
from msgspec.structs import replace

from convblocks.data import load_dataset
from convblocks.data.arrays import channels_first, only_finite
from convblocks.errors import DataError

LAYOUTS = {  # shape given → channels and spatial shape, and the order of the given axes in the outcome
    (5, 50): ((1, 50), None),
    (5, 50, 1): ((1, 50), (0, 2, 1)),
    (5, 50, 3): ((3, 50), (0, 2, 1)),
    (5, 3, 50): ((3, 50), (0, 1, 2)),
    (5, 9, 9): ((1, 9, 9), None),
    (5, 8, 9, 1): ((1, 8, 9), (0, 3, 1, 2)),
    (5, 8, 9, 3): ((3, 8, 9), (0, 3, 1, 2)),
    (5, 8, 9, 4): ((4, 8, 9), (0, 3, 1, 2)),
    (5, 3, 8, 9): ((3, 8, 9), (0, 1, 2, 3)),
    (5, 3, 8, 3): ((3, 3, 8), (0, 3, 1, 2)),  # both could be: the last wins
    (5, 7, 7, 7): ((1, 7, 7, 7), None),
    (5, 7, 8, 9, 3): ((3, 7, 8, 9), (0, 4, 1, 2, 3)),
    (5, 4, 7, 8, 9): ((4, 7, 8, 9), (0, 1, 2, 3, 4)),
}


@pytest.mark.parametrize("shape", LAYOUTS, ids=str)
def test_layouts(shape):
    x = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    got, words = channels_first(x, "x")
    expected_shape, axes = LAYOUTS[shape]
    assert got.shape == (5, *expected_shape)
    assert got.flags.c_contiguous
    assert np.array_equal(got, x[:, None] if axes is None else x.transpose(axes))
    assert words[0].startswith(("signals", "images", "volumes")[len(expected_shape) - 2])


@pytest.mark.parametrize(
    ("shape", "readings", "layouts"),
    [
        (
            (5, 12, 128),
            "12×128 may be images with 1 channel of 12×128 or signals with 12 channels of 128",
            "first",
        ),
        (
            (5, 128, 12),
            "128×12 may be images with 1 channel of 128×12 or signals with 12 channels of 128",
            "last",
        ),
        (
            (5, 2, 8, 8),
            "2×8×8 may be volumes with 1 channel of 2×8×8 or images with 2 channels of 8×8",
            "first",
        ),
        (
            (5, 8, 8, 2),
            "8×8×2 may be volumes with 1 channel of 8×8×2 or images with 2 channels of 8×8",
            "last",
        ),
    ],
)
def test_a_shape_with_two_readings_is_refused_and_a_layout_settles_it(shape, readings, layouts):
    x = np.zeros(shape, np.uint8)
    end = f"{readings}: say which with layout='none' or layout='channels-{layouts}'"
    with pytest.raises(DataError, match=rf"^x: its examples of {end}$"):
        channels_first(x, "x")
    assert channels_first(x, "x", "none")[0].shape == (5, 1, *shape[1:])
    assert channels_first(x, "x", f"channels-{layouts}")[0].shape[1] == min(shape[1:])


@pytest.mark.parametrize("shape", [(5, 7, 8, 9, 7), (5, 7, 8, 9, 10, 3), (5, 2, 2, 2, 2, 2)], ids=str)
def test_other_layouts_are_refused(shape):
    with pytest.raises(
        DataError, match=rf"^x: has shape \({', '.join(map(str, shape))}\): expected \(N, L\) signals"
    ):
        channels_first(np.zeros(shape, np.uint8), "x")


GIVEN_LAYOUTS = {  # layout and shape given → shape of the outcome, kind, and the order of the given axes
    ("channels-first", (5, 12, 50)): ((5, 12, 50), "signals of 12 channels", (0, 1, 2)),
    ("channels-last", (5, 50, 12)): ((5, 12, 50), "signals of 12 channels", (0, 2, 1)),
    ("channels-first", (5, 3, 50, 3)): ((5, 3, 50, 3), "images of 3 channels", (0, 1, 2, 3)),
    ("channels-last", (5, 8, 9, 13)): ((5, 13, 8, 9), "images of 13 channels", (0, 3, 1, 2)),
    ("channels-first", (5, 2, 7, 8, 9)): ((5, 2, 7, 8, 9), "volumes of 2 channels", (0, 1, 2, 3, 4)),
    ("none", (5, 50)): ((5, 1, 50), "signals of 1 channel", None),
    ("none", (5, 50, 3)): ((5, 1, 50, 3), "images of 1 channel", None),
    ("none", (5, 4, 8, 3)): ((5, 1, 4, 8, 3), "volumes of 1 channel", None),
}


@pytest.mark.parametrize(("layout", "shape"), GIVEN_LAYOUTS, ids=str)
def test_a_given_layout_wins_over_the_shape(layout, shape):
    x = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8)
    got, words = channels_first(x, "x", layout)
    expected_shape, kind, axes = GIVEN_LAYOUTS[layout, shape]
    assert got.shape == expected_shape
    assert got.flags.c_contiguous
    assert np.array_equal(got, x[:, None] if axes is None else x.transpose(axes))
    assert words[0].partition(",")[0] == kind


@pytest.mark.parametrize(
    ("layout", "shape", "expected"),
    [
        ("channels-first", (5, 50), "(N, C, L) signals"),
        ("channels-last", (5, 50), "(N, L, C) signals"),
        ("channels-last", (5, 2, 2, 2, 2, 3), "(N, L, C) signals"),
        ("none", (5, 7, 8, 9, 3), "(N, L) signals"),
    ],
)
def test_a_layout_that_does_not_fit_is_refused(layout, shape, expected):
    with pytest.raises(
        DataError,
        match=rf"^x: has shape {re.escape(f'{shape}: expected {expected}')}.* for layout='{layout}'$",
    ):
        channels_first(np.zeros(shape, np.uint8), "x", layout)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int64", "float16", "float32", "float64"])
def test_numbers_become_float32_and_uint8_stays(dtype):
    x = np.array([[0, 1], [1, 1]]).astype(dtype)
    got, words = channels_first(x, "x")
    assert got.dtype == np.float32
    assert np.array_equal(got[:, 0], x)
    assert words[-1] == f"{dtype} values as float32"
    assert channels_first(x.astype(np.uint8), "x")[0].dtype == np.uint8


def test_only_finite_leaves_finite_arrays_alone():
    x = np.ones((3, 1, 2), np.float32)
    y = np.arange(3)
    assert only_finite(x, y, "x", skip_broken=False) == (x, y, 0)


def test_a_size_resamples_every_axis(npz):
    x = np.random.default_rng(0).integers(0, 256, (30, 6, 9), dtype=np.uint8)
    card = load_dataset(npz(x=x, y=np.arange(30) % 2), layout="none", image_size=12).card
    assert card.shape == (1, 12, 12)
    assert card.preparation.endswith("resampled from 6×9 to 12×12, linearly along each axis")


def test_a_size_that_is_there_already_changes_nothing(npz):
    x = np.random.default_rng(0).integers(0, 256, (30, 6, 6), dtype=np.uint8)
    path = npz(x=x, y=np.arange(30) % 2)
    sized = load_dataset(path, image_size=6).card
    assert replace(sized, loading=None) == replace(load_dataset(path).card, loading=None)

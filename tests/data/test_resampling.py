"""Resampling against Pillow's, which is written by others and in C."""

import numpy as np
import pytest
from PIL import Image

from convblocks.data import resampling
from convblocks.data.resampling import resample

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(8, 8), (8, 13), (33, 20), (1, 5)])
@pytest.mark.parametrize("size", [4, 16, 27])
def test_images_match_pillow(shape, size):
    x = RNG.random((3, 2, *shape), dtype=np.float32)
    got = resample(x, size)
    assert got.dtype == np.float32
    for image, outcome in zip(x.reshape(6, *shape), got.reshape(6, size, size), strict=True):
        expected = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
        assert np.allclose(outcome, np.asarray(expected), atol=1e-5)


def test_uint8_is_rounded_and_stays_uint8():
    x = RNG.integers(0, 256, (2, 1, 20, 31), dtype=np.uint8)
    got = resample(x, 16)
    assert got.dtype == np.uint8
    for image, outcome in zip(x[:, 0], got[:, 0], strict=True):
        expected = np.asarray(Image.fromarray(image).resize((16, 16), Image.Resampling.BILINEAR))
        assert np.abs(outcome.astype(int) - expected).max() <= 1  # Pillow rounds between the axes too
    assert np.array_equal(got, np.rint(resample(x.astype(np.float32), 16)))


def test_signals_and_volumes_are_resampled_along_all_axes():
    signal = RNG.random((2, 3, 10), dtype=np.float32)
    as_image = np.repeat(signal[:, :, None], 7, axis=2)
    assert np.allclose(resample(signal, 7), resample(as_image, 7)[:, :, 0], atol=1e-6)
    volume = RNG.random((2, 1, 6, 9, 9), dtype=np.float32)
    slices = resample(volume[:, 0].reshape(2, 6, 9, 9), 9)  # 9×9 already: untouched
    assert np.array_equal(slices, volume[:, 0])
    assert resample(volume, 9).shape == (2, 1, 9, 9, 9)
    line = resample(np.moveaxis(volume[:, 0], 1, -1).reshape(2, 81, 6), 9)
    assert np.allclose(resample(volume, 9)[:, 0], np.moveaxis(line.reshape(2, 9, 9, 9), -1, 1), atol=1e-6)


def test_constants_stay_and_extremes_do_not_overflow():
    x = np.full((2, 1, 5, 6), 255, np.uint8)
    assert (resample(x, 17) == 255).all()
    assert (resample(x, 4) == 255).all()


def test_chunks_do_not_show(monkeypatch):
    x = RNG.random((7, 2, 6, 5), dtype=np.float32)
    whole = resample(x, 9)
    monkeypatch.setattr(resampling, "CHUNK_VALUES", 400)
    assert np.array_equal(resample(x, 9), whole)

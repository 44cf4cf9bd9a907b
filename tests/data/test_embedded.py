"""The embedded sets against their sources, and the textures' parts kept apart in space."""

import builtins

import numpy as np
import pytest
import skimage.data
from msgspec.structs import replace
from PIL import Image
from sklearn.datasets import load_digits

from convblocks.data import embedded, load_dataset
from convblocks.data.embedded import ALIASES, EMBEDDED, texture_patches
from convblocks.errors import DataError, MissingExtra


def together(data):
    parts = (data.train, data.validation, data.test)
    return np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts])


def as_set(x, y) -> list[tuple[bytes, int]]:
    return sorted((image.tobytes(), int(label)) for image, label in zip(x, y, strict=True))


def test_digits_are_scikit_learns():
    data = load_dataset()
    source = load_digits()
    assert as_set(*together(data)) == as_set(source.images.astype(np.float32)[:, None], source.target)
    assert data.card.classes == tuple("0123456789")
    assert (data.card.train, data.card.validation, data.card.test) == (1078, 360, 359)
    assert data.card.name == data.card.source == "digits"
    assert load_dataset("digits").card == data.card


def test_digits_upscaled_are_pillows_bilinear():
    small, large = load_dataset("digits"), load_dataset("digits", image_size=16)
    assert large.card.shape == (1, 16, 16)
    assert "resampled from 8×8 to 16×16" in large.card.preparation
    for x, outcome in zip(small.test.x[:20, 0], large.test.x[:20, 0], strict=True):
        expected = Image.fromarray(x).resize((16, 16), Image.Resampling.BILINEAR)
        assert np.allclose(outcome, np.asarray(expected), atol=1e-4)


@pytest.mark.parametrize("name", ["faces", "lfw_subset"])
def test_faces_are_the_first_hundred(name):
    data = load_dataset(name)
    crops = skimage.data.lfw_subset().astype(np.float32)[:, None]
    assert as_set(*together(data)) == as_set(crops, [0] * 100 + [1] * 100)
    assert data.card.classes == ("face", "no face")
    assert (data.card.name, data.card.source) == ("faces", name)
    assert [np.bincount(p.y).tolist() for p in (data.train, data.validation, data.test)] == [
        [60, 60],
        [20, 20],
        [20, 20],
    ]


def test_textures_are_patches_of_their_photographs():
    data = load_dataset("textures")
    assert data.card.classes == ("brick", "grass", "gravel")
    assert data.card.shape == (1, 32, 32)
    assert (data.card.train, data.card.validation, data.card.test) == (432, 144, 144)
    again = load_dataset("textures", split_seed=9).card
    assert replace(again, loading=None) == replace(data.card, loading=None)
    for label, name in enumerate(data.card.classes):
        photograph = getattr(skimage.data, name)()
        assert np.array_equal(data.train.x[data.train.y == label][0, 0], photograph[:32, :32])
        assert np.array_equal(data.test.x[data.test.y == label][-1, 0], photograph[-32:, -32:])


def test_textures_parts_are_apart():
    """Numbering the pixels shows which of them each part uses: none twice, none within 16 columns of others."""
    numbered = np.arange(512 * 512).reshape(512, 512)
    columns = {}
    for part in ("train", "validation", "test"):
        pixels = texture_patches(numbered, part)
        assert np.unique(pixels).size == pixels.size
        assert (np.diff(pixels, axis=2) == 1).all()
        assert (np.diff(pixels, axis=1) == 512).all()
        columns[part] = np.unique(pixels % 512)
    for left, right in (("train", "validation"), ("validation", "test")):
        assert columns[right].min() - columns[left].max() > 16
    assert sum(c.size for c in columns.values()) == 512 - 2 * 16
    assert columns["test"].max() == 511


@pytest.mark.parametrize("name", ["faces", "textures"])
def test_a_missing_package_is_named_with_its_extra(monkeypatch, name):
    real = builtins.__import__

    def without(module, *args, **options):
        if module.startswith("skimage"):
            raise ImportError(module)
        return real(module, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        MissingExtra, match=rf"the data set '{name}' needs scikit-image: pip install 'convblocks\[images\]'"
    ):
        load_dataset(name)
    assert load_dataset("digits").card.train == 1078


def test_a_missing_file_is_not_downloaded(monkeypatch, tmp_path):
    monkeypatch.setattr(skimage.data, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr(skimage.data, "brick", lambda: pytest.fail("asked scikit-image for it"))
    with pytest.raises(
        DataError, match=r"'textures' needs brick\.png, which scikit-image lacks here.*reinstall"
    ):
        load_dataset("textures")


def test_a_failed_download_is_explained(monkeypatch):
    def fail():
        raise ConnectionError("no internet connection")

    monkeypatch.setattr(skimage.data, "lfw_subset", fail)
    with pytest.raises(DataError, match=r"'faces' needs lfw_subset\.npy.*no internet connection.*reinstall"):
        load_dataset("faces")


def test_names_and_documentation_agree():
    assert all(name in embedded.__doc__ for name in (*EMBEDDED, *ALIASES))
    assert set(ALIASES.values()) <= set(EMBEDDED)

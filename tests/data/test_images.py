"""One image at a time: what decode gives is what Pillow shows, and what is refused is named."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from convblocks.data import images
from convblocks.data.images import BrokenImageError, decode, highest_value, read_header
from convblocks.errors import DataError


def channels_last(pixels: np.ndarray) -> np.ndarray:
    return np.moveaxis(pixels, 0, -1)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.ppm", "a.tif", "a.webp"])
def test_lossless_pixels_arrive_unchanged(tmp_path, paint, name):
    options = {"lossless": True} if name.endswith("webp") else {}
    pixels = paint(name, 7, 5, **options)
    got = decode(tmp_path / name, channels=3)
    assert got.shape == (3, 5, 7)
    assert np.array_equal(channels_last(got), pixels)
    assert read_header(tmp_path / name) == (7, 5, False, False)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr"])
@pytest.mark.parametrize("channels", [1, 3])
def test_modes_without_transparency_are_as_pillow_converts_them(tmp_path, paint, mode, channels):
    name = "a.jpg" if mode in ("CMYK", "YCbCr") else "a.png"
    paint(name, 9, 6, mode=mode)
    with Image.open(tmp_path / name) as image:
        expected = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    got = decode(tmp_path / name, channels=channels)
    assert np.array_equal(got[0] if channels == 1 else channels_last(got), expected)
    assert read_header(tmp_path / name).grey == (mode in ("1", "L"))


def test_transparency_is_laid_over_white(tmp_path):
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[..., 0], rgba[0, 0] = 100, (10, 20, 30, 255)
    rgba[1, 1, 3] = 128
    Image.fromarray(rgba).save(tmp_path / "a.png")
    got = channels_last(decode(tmp_path / "a.png", channels=3))
    assert got[0, 0].tolist() == [10, 20, 30]
    assert got[2, 2].tolist() == [255, 255, 255]
    assert np.allclose(got[1, 1], [100 + 127 / 255 * 155, 127, 127], atol=1)


def test_transparency_of_grey_and_palette_images_is_laid_over_white(tmp_path):
    grey = np.full((4, 4), 50, np.uint8)
    Image.merge("LA", [Image.fromarray(grey), Image.fromarray(grey * 0)]).save(tmp_path / "la.png")
    assert (decode(tmp_path / "la.png", channels=1) == 255).all()
    palette = Image.fromarray(grey * 0).convert("P")
    palette.save(tmp_path / "p.png", transparency=0)
    assert (decode(tmp_path / "p.png", channels=3) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_exif_orientation_is_applied_as_pillow_does(tmp_path, paint, orientation, name):
    exif = Image.Exif()
    exif[0x0112] = orientation
    paint(name, 10, 6, exif=exif)
    with Image.open(tmp_path / name) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(channels_last(decode(tmp_path / name, channels=3)), expected)
    assert (
        read_header(tmp_path / name)[:2] == expected.shape[1::-1] == ((10, 6) if orientation < 5 else (6, 10))
    )


def test_an_unreadable_orientation_is_no_orientation(tmp_path, paint):
    exif = Image.Exif()
    exif[0x0112] = 99
    pixels = paint("a.png", 4, 4, exif=exif)
    assert np.array_equal(channels_last(decode(tmp_path / "a.png", channels=3)), pixels)


@pytest.mark.parametrize("bits", [12, 16])
def test_deep_grey_is_scaled_not_clipped(tmp_path, bits):
    top = 2**bits - 1
    values = np.linspace(0, top, 64).astype(np.uint16).reshape(8, 8)
    for name in ("a.png", "a.tif"):
        Image.fromarray(values).save(tmp_path / name)
        assert read_header(tmp_path / name) == (8, 8, True, True)
        assert highest_value(tmp_path / name) == top
        got = decode(tmp_path / name, channels=1, bits=bits)[0]
        assert np.array_equal(got, np.rint(values / top * 255))
        assert len(np.unique(got)) == 64


def test_values_beyond_16_bits_and_floats_are_refused(tmp_path):
    Image.fromarray(np.array([[-5, 70_000]], np.int32)).save(tmp_path / "i.tif")
    with pytest.raises(DataError, match=r"i\.tif: holds values from -5 to 70000.*\.npz"):
        highest_value(tmp_path / "i.tif")
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(DataError, match=r"f\.tif: holds floating-point values.*\.npz"):
        read_header(tmp_path / "f.tif")


@pytest.mark.parametrize(("width", "height"), [(40, 24), (24, 40), (24, 24)])
def test_resizing_is_shorter_side_then_centre(tmp_path, paint, width, height):
    """Against the two steps done one after the other; sizes are such that none is rounded."""
    paint("a.png", width, height)
    with Image.open(tmp_path / "a.png") as image:
        resized = image.resize((width // 2, height // 2), Image.Resampling.BILINEAR)
    left, top = (resized.width - 12) // 2, (resized.height - 12) // 2
    expected = np.asarray(resized.crop((left, top, left + 12, top + 12)))
    got = channels_last(decode(tmp_path / "a.png", channels=3, size=12))
    assert np.abs(got.astype(int) - expected).max() <= 1


def test_a_very_long_image_is_not_resized_whole(tmp_path):
    """Shorter side 1 → 64 in two steps would make 60,000 × 64 × 64 pixels first."""
    Image.new("L", (60_000, 1)).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", channels=1, size=64).shape == (1, 64, 64)


def test_the_first_frame_of_an_animation_counts(tmp_path):
    frames = [Image.new("RGB", (5, 5), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert decode(tmp_path / "a.gif", channels=3)[:, 2, 2].tolist() == [255, 0, 0]


@pytest.mark.parametrize("side", [20_000, 9_700, 8_100])  # above Pillow's error, its warning, and ours only
@pytest.mark.filterwarnings("ignore")  # Pillow's own, which load_folder silences around its threads
def test_a_bomb_is_refused_by_its_header(tmp_path, side):
    Image.new("1", (side, side)).save(tmp_path / "big.png")
    with pytest.raises(BrokenImageError, match=r"big\.png: .*pixels.*, over the 64 megapixels"):
        read_header(tmp_path / "big.png")


def test_the_limit_itself_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
    Image.new("L", (10, 10)).save(tmp_path / "a.png")
    assert read_header(tmp_path / "a.png")[:2] == (10, 10)
    Image.new("L", (10, 11)).save(tmp_path / "a.png")
    with pytest.raises(BrokenImageError, match=r"a\.png: 10×11 pixels"):
        read_header(tmp_path / "a.png")


BROKEN = {
    "empty": (lambda good: b"", "the file is empty"),
    "text": (lambda good: b"these are words", "not an image of a known format"),
    "cut": (lambda good: good[: len(good) // 2], "a damaged image"),
    "flipped": (lambda good: good[:200] + bytes([good[200] ^ 255]) + good[201:], "a damaged image"),
    "EPS": (lambda good: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "known format"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_files_are_named(tmp_path, paint, kind):
    paint("bad.png")
    change, message = BROKEN[kind]
    path = tmp_path / "bad.png"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BrokenImageError, match=rf"bad\.png: .*{message}.*skip_broken"):
        decode(path, channels=3)


def test_a_truncated_jpeg_is_named(tmp_path, paint):
    paint("bad.jpg", 64, 64)
    path = tmp_path / "bad.jpg"
    path.write_bytes(path.read_bytes()[:-400])
    assert read_header(path)[:2] == (64, 64)
    with pytest.raises(BrokenImageError, match=r"bad\.jpg: a damaged image .*truncated"):
        decode(path, channels=3)


def test_what_is_no_fault_of_the_image_is_not_called_broken(tmp_path, paint, monkeypatch):
    with pytest.raises(DataError, match=r"gone\.png: cannot be read: No such file") as caught:
        read_header(tmp_path / "gone.png")
    assert not isinstance(caught.value, BrokenImageError)
    paint("locked.png")

    def refuse(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything, so take the right away here
    with pytest.raises(DataError, match=r"locked\.png: cannot be read: Permission denied") as caught:
        read_header(tmp_path / "locked.png")
    assert not isinstance(caught.value, BrokenImageError)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(BrokenImageError, match=r"pipe\.png: not a regular file"):
        read_header(tmp_path / "pipe.png")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
@pytest.mark.filterwarnings("ignore")  # Pillow's own, which load_folder silences around its threads
def test_random_damage_never_shows_a_foreign_exception(tmp_path, form):
    stream = io.BytesIO()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(stream, format=form)
    good = stream.getvalue()
    path = tmp_path / "damaged.png"
    refused = 0
    for trial in range(150):
        bad = bytearray(good)
        for position in rng.integers(0, len(bad) if trial % 2 else 80, 4):
            bad[position] = rng.integers(0, 256)
        path.write_bytes(bytes(bad[: rng.integers(1, len(bad))] if trial % 5 == 0 else bad))
        try:
            decode(path, channels=3)
        except DataError as error:
            refused += 1
            assert "damaged.png" in str(error)
            assert "\n" not in str(error)
    assert refused > 20

"""One image file, safely: look at its header first, decode only what is whole and not too large.

Files are opened by content, as one of FORMATS. Conversions, in this order: the EXIF orientation is
applied; greyscale of more than 8 bits is scaled to 8; transparency is laid over white; then L or RGB;
then, if a size is given, the image is resized to cover it with Pillow's antialiased BILINEAR and
the centre cropped. Of an animation the first frame counts.
"""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from convblocks.data.resampling import Size, per_axis
from convblocks.errors import DataError, Setting
from convblocks.text import shown, times

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp")
# not EPS: Pillow hands that to Ghostscript
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
# lossless
MASK_SUFFIXES = tuple(suffix for suffix in SUFFIXES if suffix not in (".jpeg", ".jpg", ".webp"))
MASK_MODES = ("1", "L", "P", "I;16", "I")
GREY_MODES = ("1", "L", "LA", "La")
# in which a grey mask may be saved
COLOUR_MODES = ("LA", "RGB", "RGBA")
ONE_CHANNEL = (
    "expected the class of each pixel, in one channel of 8 bits or as a palette's index: convert its colours to "
    "classes"
)
MAX_PIXELS = 64_000_000
SKIP = ("fix or delete it, or leave such files out with ", Setting("skip_broken", True))

# EXIF orientation → what undoes it
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BrokenImageError(DataError):
    """One file is damaged, not an image or too large; other files may be fine."""


class ImageHeader(NamedTuple):
    """Size and kind of an image as its header states them; its size is that after the EXIF orientation.

    `deep` is true of greyscale with more than 8 bits.
    """

    width: int
    height: int
    grey: bool
    deep: bool


def read_header(path: Path) -> ImageHeader:
    """Reads the header only. Raises BrokenImageError, or DataError for what is no fault of the file."""
    with _opened(path) as image:
        width, height = image.size
        # Pillow turns TIFFs itself and already reports the turned size.
        if image.format != "TIFF" and _orientation(Image.Image.getexif(image)) >= 5:
            width, height = height, width
        deep = image.mode.startswith("I")
        return ImageHeader(width, height, grey=deep or image.mode in GREY_MODES, deep=deep)


def highest_value(path: Path) -> int:
    """Returns the highest value of a greyscale image of more than 8 bits. Raises as `read_header` does."""
    with _opened(path) as image:
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65_535:
            raise DataError(
                f"{shown(path)}: holds values from {values.min()} to {values.max()}; images need 0 to 65535: "
                f"convert it, or give the values as an .npz file"
            )
        return int(values.max())


def decode(path: Path, *, channels: int, bits: int = 16, size: Size | None = None) -> npt.NDArray[np.uint8]:
    """Decodes an image to (C, H, W) with C = 1 or 3; (C, height, width) of a size that is given.

    Greyscale of more than 8 bits is taken to span 0 to 2^bits − 1. Raises as `read_header` does.
    """
    with _opened(path) as image:
        image.load()
        return to_pixels(image, channels=channels, bits=bits, size=size)


def to_pixels(
    image: Image.Image, *, channels: int, bits: int = 16, size: Size | None = None
) -> npt.NDArray[np.uint8]:
    """Converts an image that is decoded already as `decode` does."""
    turn = UPRIGHT.get(_orientation(image.getexif()))
    upright: Image.Image = image if turn is None else image.transpose(turn)
    if upright.mode.startswith("I"):
        scaled = np.asarray(upright).astype(np.float64) * (255 / (2**bits - 1))
        upright = Image.fromarray(np.rint(np.clip(scaled, 0, 255)).astype(np.uint8))
    if upright.has_transparency_data:
        with_alpha = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", with_alpha.size, "white"), with_alpha)
    upright = upright.convert("L" if channels == 1 else "RGB")
    if size is not None:
        upright = _cover(upright, size, Image.Resampling.BILINEAR)
    pixels = np.asarray(upright, dtype=np.uint8)
    return pixels[None] if channels == 1 else np.moveaxis(pixels, -1, 0)


def decode_mask(
    path: Path, image_size: tuple[int, int], image_path: Path, size: Size | None
) -> npt.NDArray[np.uint8]:
    """Decodes a mask to (H, W), or to the given size.

    Of a palette the indices count. `image_size` is (width, height) of the image after its EXIF orientation, which the
    mask must have too. A size takes the nearest pixels of what `decode` would. Raises BrokenImageError
    as `read_header` does, and DataError for another size, colours and values above 255.
    """
    with _opened(path) as image:
        image.load()
        if image.mode not in (*MASK_MODES, *COLOUR_MODES):
            raise DataError(f"{shown(path)}: a mask of mode {image.mode}; {ONE_CHANNEL}")
        grey = image if image.mode in MASK_MODES else _one_channel(path, image)
        turn = UPRIGHT.get(_orientation(image.getexif()))
        upright: Image.Image = grey if turn is None else grey.transpose(turn)
        if upright.size != image_size:
            raise DataError(
                f"{shown(path)}: the mask has {times(upright.size)} pixels and {shown(image_path.name)} "
                f"{times(image_size)}: bring them to one size"
            )
        values = np.asarray(upright)
        if values.max() == 65_535 and np.isin(values, (0, 65_535)).all():
            # black and white of 16 bits
            values = values // 257
        if values.min() < 0 or values.max() > 255:
            raise DataError(
                f"{shown(path)}: holds the value {values.max() if values.max() > 255 else values.min()}; expected "
                f"classes from 0 to 254, and 255 where there is none"
            )
        upright = Image.fromarray(values.astype(np.uint8))
        return np.asarray(upright if size is None else _cover(upright, size, Image.Resampling.NEAREST))


def _one_channel(path: Path, image: Image.Image) -> Image.Image:
    """Returns the one channel of a grey mask that was saved as opaque RGB. Raises DataError for colours."""
    *channels, alpha = np.moveaxis(np.asarray(image.convert("RGBA")), -1, 0)
    if not (alpha == 255).all() or any((channel != channels[0]).any() for channel in channels):
        raise DataError(f"{shown(path)}: a mask of mode {image.mode} in colours; {ONE_CHANNEL}")
    return Image.fromarray(channels[0])


def _cover(image: Image.Image, size: Size, resampling: Image.Resampling) -> Image.Image:
    """Resizes the largest centred part of the size's proportions, in one step: a long image is never resized whole."""
    height, width = per_axis(size, 2)
    wide = image.width * height > image.height * width
    part_width = image.height * width / height if wide else image.width
    part_height = image.height if wide else image.width * height / width
    left, top = (image.width - part_width) / 2, (image.height - part_height) / 2
    return image.resize((width, height), resampling, box=(left, top, left + part_width, top + part_height))


def _orientation(exif: Image.Exif) -> int:
    value = exif.get(ExifTags.Base.Orientation, 1)
    return value if isinstance(value, int) else 1


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Opens the file as a Pillow image; everything that goes wrong inside becomes a DataError naming the file."""
    try:
        _check_file(path)
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            _check_header(path, image)
            yield image
    except (DataError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        problem = f"not an image of a known format ({', '.join(FORMATS)})"
        raise BrokenImageError(f"{shown(path)}: {problem}: ", *SKIP) from error
    except Image.DecompressionBombError as error:  # "Image size (400000000 pixels) exceeds limit of …"
        size = str(error).partition(" exceeds")[0].lower()
        raise BrokenImageError(_too_large(path, size), *SKIP) from error
    except Exception as error:  # on bad bytes Pillow lets out anything, from struct.error to KeyError
        if isinstance(error, OSError) and error.errno is not None:
            raise DataError(
                f"{shown(path)}: cannot be read: {error.strerror}; fix that or delete it"
            ) from error
        raise BrokenImageError(
            f"{shown(path)}: a damaged image ({shown(error) or type(error).__name__}): ", *SKIP
        ) from error


def _check_file(path: Path) -> None:
    status = path.stat()
    # opening a pipe would wait for ever
    if not stat.S_ISREG(status.st_mode):
        raise BrokenImageError(f"{shown(path)}: not a regular file: ", *SKIP)
    if status.st_size == 0:
        raise BrokenImageError(f"{shown(path)}: the file is empty (0 bytes): ", *SKIP)


def _check_header(path: Path, image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise BrokenImageError(_too_large(path, f"{image.width}×{image.height} pixels"), *SKIP)
    if image.mode == "F":
        raise DataError(
            f"{shown(path)}: holds floating-point values, whose range is not stated: convert it to 8 or 16 "
            f"bits, or give the values as an .npz file"
        )


def _too_large(path: Path, size: str) -> str:
    limit = f"over the {MAX_PIXELS // 10**6} megapixels an image may have"
    return f"{shown(path)}: {size}, {limit}: shrink, "

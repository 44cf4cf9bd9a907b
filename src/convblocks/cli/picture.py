"""The image that receptive fields are drawn over: the user's, or a photograph that comes with scikit-learn."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from convblocks.errors import DataError, Setting
from convblocks.report.field_drawing import Picture

LARGEST = 1024  # pixels along an axis, of what is embedded
PHOTOGRAPH = (
    "Photograph: danielbuechele (flickr.com/photos/danielbuechele), CC BY 2.0, as scikit-learn brings it."
)


def picture(file: Path | None, input_size: tuple[int, ...]) -> Picture | None:
    """Cuts an image to the shape of an input, grey for one channel.

    Args:
        file: the image; a photograph of scikit-learn's where there is none.
        input_size: (channels, height, width).

    Returns:
        The picture; None for signals and volumes, which have other axes.

    Raises:
        DataError: for a file that cannot be read.
    """
    if len(input_size) != 3:
        return None
    channels, height, width = input_size
    if file is None:
        from sklearn.datasets import load_sample_image

        image, caption = Image.fromarray(load_sample_image("china.jpg")), PHOTOGRAPH
    else:
        image, caption = _read(file), f"Image: {file.name}."
    scale = min(1.0, LARGEST / max(height, width))
    cut = ImageOps.fit(image, (max(1, round(width * scale)), max(1, round(height * scale))))
    return Picture(_uri(cut.convert("L") if channels == 1 else cut), caption)


def _read(file: Path) -> Image.Image:
    from convblocks.data.images import SKIP, BrokenImageError, decode

    try:
        return Image.fromarray(np.moveaxis(decode(file, channels=3), 0, -1))
    except BrokenImageError as error:
        problem = [part for part in error.args if part not in SKIP]
        raise DataError(*problem, "give another by ", Setting("image")) from error


def _uri(image: Image.Image) -> str:
    """Returns a data URI: PNG, which small images need, where that is small, else JPEG."""
    kind = "png" if max(image.size) < 128 else "jpeg"
    stream = BytesIO()
    image.save(stream, kind, **({"quality": 85} if kind == "jpeg" else {}))
    return f"data:image/{kind};base64,{b64encode(stream.getvalue()).decode()}"

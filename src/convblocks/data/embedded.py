"""Small data sets that come with scikit-learn and scikit-image: nothing is downloaded.

    digits     1,797 scans of handwritten digits, 8×8, values 0–16, 10 classes; image_size=16 upscales bilinearly
    faces      200 crops of photographs, 25×25, values 0–1: 100 faces, 100 that are none (also "lfw_subset")
    textures   720 patches of 32×32 cut from one photograph each of brick, grass and gravel
    canvases   986 canvases of 20×20 with four of the digits each, and a label map of 11 classes: to segment

They are for trying things out and for tests: so small that differences between designs drown in noise.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convblocks.data import canvases as composed
from convblocks.data.arrays import Arrays, finish
from convblocks.data.dataset import Dataset
from convblocks.data.resampling import Size
from convblocks.data.split import PARTS
from convblocks.errors import DataError, MissingExtra

# pixels
PATCH = 32
# first and number of patch columns
COLUMNS = {"train": (0, 9), "validation": (9, 3), "test": (12, 3)}
# pixels between parts, so that no patch touches another part's region
GAP = 16
TEXTURES = ("brick", "grass", "gravel")


class Embedded(NamedTuple):
    """Arrays of a set, and a sentence on its split if that is not left to chance."""

    arrays: Arrays
    split: str = ""


def load_embedded(name: str, *, source: str, size: Size | None, split_seed: int) -> Dataset:
    """Loads the set EMBEDDED[name]. Raises MissingExtra without its package, DataError without its file."""
    embedded = EMBEDDED[name]()
    return finish(
        embedded.arrays, name=name, source=source, size=size, split_seed=split_seed, split=embedded.split
    )


def digits() -> Embedded:
    """Loads scikit-learn's digits: the test part of the UCI set Optical Recognition of Handwritten Digits."""
    from sklearn.datasets import load_digits

    scans = load_digits()
    x = scans.images.astype(np.float32)[:, None]
    preparation = ["greyscale images, values 0–16 as float32"]
    return Embedded(Arrays({"all": (x, scans.target.astype(np.int64))}, tuple("0123456789"), preparation))


def canvases() -> Embedded:
    """Composes scikit-learn's digits on larger canvases, each pixel labelled with its digit; see canvases.py."""
    from sklearn.datasets import load_digits

    scans = load_digits()
    parts = composed.compose_parts(scans.images.astype(np.float32), scans.target.astype(np.int64))
    split = (
        "by scan: 60% train, 20% validation, 20% test of each digit, and no scan in two parts; a scan stands on "
        f"{composed.TRAINING_USES} canvases in train and on one elsewhere; the split seed plays no part"
    )
    preparation = [
        f"greyscale canvases of {composed.CANVAS}×{composed.CANVAS} pixels with {composed.PER_CANVAS} scans of 8×8 "
        "each, values 0–16 as float32; a pixel is its digit's where at least half of it is ink"
    ]
    classes = (composed.BACKGROUND, *"0123456789")
    return Embedded(Arrays(parts, classes, preparation), split)


def faces() -> Embedded:
    """Loads scikit-image's subset of Labeled Faces in the Wild: the first 100 crops are faces, the others not."""
    crops = _sample("lfw_subset", "lfw_subset.npy", "faces")
    y = np.repeat(np.array([0, 1], np.int64), 100)
    preparation = ["greyscale images, values 0–1 as float32"]
    return Embedded(Arrays({"all": (crops.astype(np.float32)[:, None], y)}, ("face", "no face"), preparation))


def textures() -> Embedded:
    """Cuts patches of three 512×512 textures; train, validation and test are bands side by side, with gaps."""
    photographs = [_sample(name, f"{name}.png", "textures") for name in TEXTURES]
    parts = {}
    for part in PARTS:
        patches = [texture_patches(photograph, part) for photograph in photographs]
        y = np.repeat(np.arange(len(patches), dtype=np.int64), [len(p) for p in patches])
        parts[part] = (np.concatenate(patches)[:, None], y)
    split = (
        f"by place: bands of a photograph, from the left 9 columns of patches for train, 3 for validation, "
        f"3 for test, {GAP} pixels apart; the split seed plays no part"
    )
    preparation = [f"greyscale patches of {PATCH}×{PATCH} pixels that do not overlap, uint8 values as given"]
    return Embedded(Arrays(parts, TEXTURES, preparation), split)


def texture_patches(photograph: npt.NDArray[np.uint8], part: str) -> npt.NDArray[np.uint8]:
    """Returns (N, PATCH, PATCH) of one part's band of a (512, 512) photograph, row by row."""
    first, columns = COLUMNS[part]
    start = first * PATCH + PARTS.index(part) * GAP
    band = photograph[:, start : start + columns * PATCH]
    rows = len(photograph) // PATCH
    grid = band.reshape(rows, PATCH, columns, PATCH).swapaxes(1, 2)
    return grid.reshape(rows * columns, PATCH, PATCH)


def _sample(function: str, file: str, name: str) -> npt.NDArray[Any]:
    """Loads one of scikit-image's samples, only if its file is installed: it would download others."""
    try:
        import skimage.data
    except ImportError as error:
        raise MissingExtra("scikit-image", "images", f"the data set {name!r}") from error
    problem = f"the data set {name!r} needs {file}, which scikit-image lacks here or has changed"
    fix = "reinstall scikit-image, or take 'digits'"
    if not Path(skimage.data.__file__).with_name(file).is_file():
        raise DataError(f"{problem}: {fix}")
    try:
        sample: npt.NDArray[Any] = getattr(skimage.data, function)()
    except (OSError, ImportError, ValueError) as error:  # its checksum failed and the download did too
        raise DataError(f"{problem} ({error}): {fix}") from error
    return sample


EMBEDDED: dict[str, Callable[[], Embedded]] = {
    "digits": digits,
    "faces": faces,
    "textures": textures,
    "canvases": canvases,
}
ALIASES = {"lfw_subset": "faces"}

"""Small images and .npz files, made anew for each test."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

Paint = Callable[..., np.ndarray]


def random_pixels(seed: int, width: int = 12, height: int = 12, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def paint(tmp_path: Path) -> Paint:
    """Write an image of random pixels below tmp_path, and return the pixels it was made of."""

    def write(
        name: str, width: int = 12, height: int = 12, *, channels: int = 3, mode: str = "", **options: Any
    ):
        pixels = random_pixels(crc32(name.encode()), width, height, channels)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(pixels)
        (image.convert(mode) if mode else image).save(path, **options)
        return pixels

    return write


@pytest.fixture
def photos(tmp_path: Path, paint: Paint) -> Path:
    """A folder of classes cat and dog, six 12×12 RGB images each."""
    for name in ("cat", "dog"):
        for i in range(6):
            paint(f"photos/{name}/{i}.png")
    return tmp_path / "photos"


@pytest.fixture
def npz(tmp_path: Path) -> Callable[..., Path]:
    """Write arrays to a .npz file."""

    def write(**arrays: Any) -> Path:
        path = tmp_path / "set.npz"
        np.savez(path, **arrays)
        return path

    return write

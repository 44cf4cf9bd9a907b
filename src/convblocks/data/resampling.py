"""Linear resampling of signals, images and volumes along each axis, antialiased when it shrinks.

The filter is Pillow's BILINEAR: a triangle one input pixel wide to either side, widened by the scale
when shrinking, so that every input pixel counts.
"""

import numpy as np
import numpy.typing as npt

from convblocks.data.dataset import Examples, Targets
from convblocks.errors import OptionError

# worked on at a time in float32: 64 MiB
CHUNK_VALUES = 2**24

Size = int | tuple[int, ...]
"""Positions along every spatial axis, or along each: (height, width) of images."""


def per_axis(size: Size, axes: int) -> tuple[int, ...]:
    """Returns positions along each of `axes` spatial axes. Raises OptionError for a size of another number of them."""
    target = (size,) * axes if isinstance(size, int) else size
    if len(target) != axes:
        kind = {1: "signals, one axis", 2: "images, height and width", 3: "volumes, three axes"}[axes]
        raise OptionError("image_size", size, f"names {len(target)} axes, but the examples are {kind}")
    return target


def resample(x: Examples, size: Size) -> Examples:
    """Resamples `x` (N, C, *spatial) to `size` along its spatial axes; the dtype stays, uint8 is rounded."""
    target = per_axis(size, x.ndim - 2)
    if x.shape[2:] == target:
        return x
    out = np.empty((*x.shape[:2], *target), dtype=x.dtype)
    step = max(1, CHUNK_VALUES // max(x[0].size, out[0].size))
    for start in range(0, len(x), step):
        values = x[start : start + step].astype(np.float32)
        for axis in range(2, x.ndim):
            weights = _weights(x.shape[axis], target[axis - 2])
            values = np.moveaxis(np.moveaxis(values, axis, -1) @ weights.T, -1, axis)
        out[start : start + step] = np.rint(values) if x.dtype == np.uint8 else values
    return out


def resample_maps(y: Targets, size: Size) -> Targets:
    """Resamples label maps (N, *spatial) to `size`: each position takes the nearest one's label."""
    for axis, to in enumerate(per_axis(size, y.ndim - 1), start=1):
        length = y.shape[axis]
        # as Pillow's NEAREST
        y = y.take(((2 * np.arange(to) + 1) * length) // (2 * to), axis)
    return y


def _weights(length: int, size: int) -> npt.NDArray[np.float32]:
    """Returns (size, length): the share of each input position in each output position; rows add up to 1."""
    scale = length / size
    centres = (np.arange(size) + 0.5) * scale
    distance = np.abs(np.arange(length) + 0.5 - centres[:, None]) / max(scale, 1.0)
    weights = np.maximum(0.0, 1.0 - distance)
    normal: npt.NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return normal

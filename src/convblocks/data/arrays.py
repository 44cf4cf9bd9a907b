"""Arrays as a data set: which axis is the channels, which values cannot be used, and the way into parts.

    (N, L)  signals     (N, H, W)  greyscale images     (N, D, H, W)  volumes, each of 1 channel
    one more axis of 1, 3 or 4, last or else first after N, counts the channels: (N, H, W, 3), (N, 3, H, W)

A layout says instead which axis counts the channels, however long: (N, 12, L) with "channels-first". Without
one, axes of different lengths of which none is 1, 3 or 4 are refused: (N, 12, 128) may be either.

uint8 stays uint8; every other kind of number becomes float32.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from convblocks.data.dataset import Dataset, Examples, Targets, assemble
from convblocks.data.memory import require_memory
from convblocks.data.resampling import Size, per_axis, resample, resample_maps
from convblocks.data.split import Labels, complete
from convblocks.errors import DataError, Setting
from convblocks.text import plural, shown, times

CHANNELS = (1, 3, 4)
# layout → the shapes it expects; None for the rules above
LAYOUTS = {
    None: "(N, L) signals, (N, H, W) images or (N, D, H, W) volumes, with or without an axis of 1, 3 or 4 "
    "channels, last or right after N",
    "channels-first": "(N, C, L) signals, (N, C, H, W) images or (N, C, D, H, W) volumes",
    "channels-last": "(N, L, C) signals, (N, H, W, C) images or (N, D, H, W, C) volumes",
    "none": "(N, L) signals, (N, H, W) images or (N, D, H, W) volumes, of 1 channel",
}
AXIS = {"none": "", "channels-last": ", the last axis", "channels-first": ", the first axis after N"}
KINDS = {1: "signals", 2: "images", 3: "volumes"}
SKIP = ("fix them, or leave those examples out with ", Setting("skip_broken", True))


@dataclass
class Arrays:
    """Parts as `complete` takes them, channels first, with labels or label maps, and notes on their preparation."""

    parts: Mapping[str, tuple[Examples, Targets]]
    classes: tuple[str, ...]
    preparation: list[str] = field(default_factory=list)
    skipped: int = 0
    notes: list[str] = field(default_factory=list)


def finish(
    arrays: Arrays, *, name: str, source: str, size: Size | None, split_seed: int, split: str = ""
) -> Dataset:
    """Resamples to `size`, draws the missing parts and fills in the card; `split` replaces the sentence on the draw."""
    preparation = list(arrays.preparation)
    parts = dict(arrays.parts)
    maps = any(y.ndim > 1 for _, y in parts.values())
    shape = next(iter(parts.values()))[0].shape
    target = shape[2:] if size is None else per_axis(size, len(shape) - 2)
    if target != shape[2:]:
        values = sum(len(y) for _, y in parts.values()) * shape[1] * prod(target)
        size_text = f"{shown(source)}: resampled to {times(target)}, it"
        require_memory(values * 4, size_text, "pass a smaller ", Setting("image_size"))
        parts = {
            part: (resample(x, target), resample_maps(y, target) if maps else y)
            for part, (x, y) in parts.items()
        }
        preparation.append(f"resampled from {times(shape[2:])} to {times(target)}, linearly along each axis")
        preparation += ["label maps to the nearest position"] * maps
    takes, drawn = complete(
        {part: np.zeros(len(y), np.int64) if maps else y.astype(np.int64) for part, (_, y) in parts.items()},
        ("any",) if maps else arrays.classes,
        split_seed,
        shown(source),
    )
    assembled = {}
    for part, (source_part, indices) in takes.items():
        x, y = parts[source_part]
        assembled[part] = (x, y) if len(indices) == len(y) else (x[indices], y[indices])
    return assemble(
        assembled,
        arrays.classes,
        name=name,
        source=source,
        split=split or drawn,
        preparation="; ".join(preparation),
        skipped=arrays.skipped,
        notes=arrays.notes,
    )


def channels_first(x: npt.NDArray[Any], where: str, layout: str | None = None) -> tuple[Examples, list[str]]:
    """Turns `x` into (N, C, *spatial), uint8 or float32, by the rules at the top of this file.

    The second value lists what was done, for the card.

    Raises DataError, beginning with `where`, for other shapes and for what is no number.
    """
    if x.dtype.kind not in "biuf":
        raise DataError(f"{where}: holds {x.dtype}: expected whole or floating-point numbers")
    shape, axis = x.shape, layout or _layout(x.shape, where)
    if axis == "none":
        x = x[:, None]
    elif axis == "channels-last":
        x = np.moveaxis(x, -1, 1)
    if x.ndim - 2 not in KINDS:
        advice = (
            (" for ", Setting("layout", layout))
            if layout
            else ("; another axis is named by ", Setting("layout"))
        )
        raise DataError(f"{where}: has shape {shape}: expected {LAYOUTS[layout]}", *advice)
    steps = [f"{KINDS[x.ndim - 2]} of {plural(x.shape[1], 'channel')}{AXIS[axis]}"]
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x), [*steps, "uint8 values as given"]
    # what float32 cannot hold becomes infinite, and is found later
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(x, dtype=np.float32)
    return converted, [*steps, f"{x.dtype} values as float32"]


def _layout(shape: tuple[int, ...], where: str) -> str:
    if len(shape) >= 3 and shape[-1] in CHANNELS:
        return "channels-last"
    if len(shape) >= 3 and shape[1] in CHANNELS:
        return "channels-first"
    if len(set(shape[1:])) > 1 and len(shape) - 1 in KINDS:
        _refuse_to_guess(shape[1:], where)
    return "none"


def _refuse_to_guess(axes: tuple[int, ...], where: str) -> NoReturn:
    """Raises DataError: the shorter of the outer axes would count the channels, if any does."""
    first = axes[0] <= axes[-1]
    channels, spatial = (axes[0], axes[1:]) if first else (axes[-1], axes[:-1])
    raise DataError(
        f"{where}: its examples of {times(axes)} may be {KINDS[len(axes)]} with 1 channel of {times(axes)} or "
        f"{KINDS[len(spatial)]} with {channels} channels of {times(spatial)}: say which with ",
        Setting("layout", "none"),
        " or ",
        Setting("layout", "channels-first" if first else "channels-last"),
    )


def only_finite(x: Examples, y: Labels, where: str, skip_broken: bool) -> tuple[Examples, Labels, int]:
    """Returns the examples without NaN and infinity, their labels, and the number of other examples.

    Raises DataError, beginning with `where`, for other examples, unless they are to be skipped.
    """
    if x.dtype == np.uint8:
        return x, y, 0
    finite = np.isfinite(x)
    if finite.all():
        return x, y, 0
    if not skip_broken:
        first = int(np.flatnonzero(~finite.reshape(len(x), -1).all(axis=1))[0])
        number = plural(int(np.count_nonzero(~finite)), "value")
        raise DataError(
            f"{where}: {number} NaN or infinite as float32, the first in example {first}: ", *SKIP
        )
    keep = finite.reshape(len(x), -1).all(axis=1)
    return x[keep], y[keep], int(np.count_nonzero(~keep))

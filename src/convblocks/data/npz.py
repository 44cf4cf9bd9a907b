"""A .npz file as a data set, by the keys of its examples and labels of each part. Never unpickles."""

import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convblocks.data.arrays import LAYOUTS, Arrays, channels_first, finish, only_finite
from convblocks.data.dataset import Dataset
from convblocks.data.labels import encode_labels
from convblocks.data.memory import require_memory
from convblocks.data.resampling import Size
from convblocks.errors import DataError
from convblocks.files import open_regular
from convblocks.text import listed, plural, shown

AnyArray = npt.NDArray[Any]

# part → pairs of (examples, labels), in any case; "all" is split by us
KEYS = {
    "train": (("train_images", "train_labels"), ("x_train", "y_train")),
    "validation": (("val_images", "val_labels"), ("x_val", "y_val")),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
    "all": (("x", "y"), ("images", "labels")),
}
EXPECTED = (
    "expected x and y, or x_train, y_train, x_test and y_test (Keras), or train_images, train_labels, "
    "val_images, val_labels, test_images and test_labels (MedMNIST)"
)
# how a .npz file begins
ZIP = b"PK\x03\x04"
ANEW = "it may be incomplete: copy, download or write it anew"
INCOMPLETE = f"a .npz file without its end: {ANEW}"
FOREIGN = "not a .npz file, though called so: write it with numpy.savez"


class Pair(NamedTuple):
    """Keys of a part's examples and labels."""

    x: str
    y: str


def load_npz(
    path: Path, *, source: str, size: Size | None, split_seed: int, skip_broken: bool, layout: str | None
) -> Dataset:
    """Loads a .npz file as a data set. Raises DataError for keys, shapes or values that cannot be used."""
    arrays = read_npz(path, skip_broken=skip_broken, layout=layout)
    return finish(arrays, name=shown(path.stem), source=source, size=size, split_seed=split_seed)


def read_npz(path: Path, *, skip_broken: bool, layout: str | None = None) -> Arrays:
    """Reads the parts of a .npz file. Raises DataError naming the file, and the key where it is about one."""
    pairs, raw = _read_raw(path)
    return to_arrays(pairs, raw, shown(path), skip_broken=skip_broken, layout=layout)


def to_arrays(
    pairs: dict[str, Pair], raw: dict[str, AnyArray], where: str, *, skip_broken: bool, layout: str | None
) -> Arrays:
    """Returns the parts as examples and labels that can be used.

    `pairs` has the keys in `raw` of each part; the examples are taken out of `raw`, so that memory holds them once.

    Raises DataError, beginning with `where`, for lengths, shapes and values that cannot be used.
    """
    first = next(iter(pairs.values())).x
    for pair in pairs.values():
        _check_lengths(where, pair, raw[pair.x], raw[pair.y])
        if raw[pair.x].shape[1:] != raw[first].shape[1:] or raw[pair.x].dtype != raw[first].dtype:
            shapes = [f"{key} {raw[key].dtype} of shape {raw[key].shape}" for key in (first, pair.x)]
            raise DataError(f"{where}: {listed(shapes)}: examples of all parts need one shape and one type")
    encoded = encode_labels({pair.y: raw[pair.y] for pair in pairs.values()}, where)
    parts, skipped = {}, 0
    steps: list[str] = []
    for part, pair in pairs.items():
        x, steps = channels_first(raw.pop(pair.x), f"{where}: {pair.x}", layout)
        x, y, dropped = only_finite(x, encoded.labels[pair.y], f"{where}: {pair.x}", skip_broken)
        parts[part] = (x, y)
        skipped += dropped
    if skipped:
        steps.append(f"{plural(skipped, 'example')} with NaN or infinite values left out")
    return Arrays(parts, encoded.classes, steps, skipped, encoded.notes)


def find_pairs(keys: list[str], where: str) -> dict[str, Pair]:
    """Returns the keys of each part, spelled as in the file. Raises DataError for keys missing or in conflict."""
    spelled: dict[str, str] = {}
    for key in keys:
        if key.lower() in spelled:
            both = f"{shown(spelled[key.lower()])} and {shown(key)}"
            raise DataError(f"{where}: holds both {both}: keep one of them")
        spelled[key.lower()] = key
    content = f"it holds {listed([shown(key) for key in keys])}" if keys else "it holds nothing"
    pairs: dict[str, Pair] = {}
    for part, candidates in KEYS.items():
        for names in candidates:
            present = [spelled[name] for name in names if name in spelled]
            if len(present) == 1:
                missing = names[0] if names[1] in spelled else names[1]
                raise DataError(
                    f"{where}: {present[0]} is there, {missing} is missing; {content}; {EXPECTED}"
                )
            if present and part in pairs:
                both = f"{pairs[part].x} and {present[0]}"
                raise DataError(f"{where}: holds both {both} for one part: keep one of them")
            if present:
                pairs[part] = Pair(*present)
    if not pairs:
        raise DataError(f"{where}: no examples and labels found; {content}; {EXPECTED}")
    if "all" in pairs and len(pairs) > 1:
        raise DataError(f"{where}: holds {pairs['all'].x} beside train or test parts; {content}; {EXPECTED}")
    return pairs


def _read_raw(path: Path) -> tuple[dict[str, Pair], dict[str, AnyArray]]:
    """Reads keys and arrays as they are in the file."""
    where = shown(path)
    try:
        # is_zipfile on a path would call an unreadable file no zip
        with open_regular(path) as file:
            begins = file.read(len(ZIP))
            if not zipfile.is_zipfile(file):
                raise DataError(f"{where}: {INCOMPLETE if begins == ZIP else FOREIGN}")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                pairs = find_pairs(archive.files, where)
                stored_bytes = sum(member.file_size for member in archive.zip.infolist())
                arrays_text = f"{where}: its arrays, with a working copy,"
                require_memory(2 * stored_bytes, arrays_text, "give fewer or smaller examples")
                return pairs, {key: _member(archive, key, where) for pair in pairs.values() for key in pair}
    except (DataError, MemoryError):
        raise
    except OSError as error:
        raise DataError(f"{where}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # zipfile and numpy let out anything on a damaged archive
        raise DataError(f"{where}: a damaged .npz file ({shown(error)}): {ANEW}") from error


def _member(archive: Any, key: str, where: str) -> AnyArray:
    try:
        array = archive[key]
    except MemoryError:
        raise
    except Exception as error:  # as above, and ValueError for Python objects, which would need pickle
        objects = isinstance(error, ValueError) and "allow_pickle" in str(error)
        fix = "expected numbers, or for labels also text, not Python objects" if objects else ANEW
        raise DataError(f"{where}: {key} cannot be read ({shown(error)}): {fix}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{where}: {key} is not an array: write the file with numpy.savez")
    return array


def _check_lengths(where: str, pair: Pair, x: AnyArray, y: AnyArray) -> None:
    for key, array, least in ((pair.x, x, 2), (pair.y, y, 1)):
        if array.size == 0 or array.ndim < least:
            expected = f"{LAYOUTS[None]}, no axis of length 0" if key == pair.x else "(N,), not empty"
            raise DataError(f"{where}: {key} has shape {array.shape}: expected {expected}")
    if len(x) != len(y):
        lengths = f"{pair.x} has {plural(len(x), 'example')} and {pair.y} {plural(len(y), 'label')}"
        raise DataError(f"{where}: {lengths}: each example needs one label")

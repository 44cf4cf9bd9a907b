"""Data that a script holds, as a data set. Recognised by what they offer: neither torch nor pandas is imported.

    (x, y)                          NumPy arrays or tensors, in the layouts of arrays.py
    {"x_train": …, "y_train": …}    several parts, with the keys of a .npz file
    a torch Dataset, or a list      of (image, label); images are PIL images, tensors or arrays of one shape
    a table, as pandas makes them   with columns path and label, and perhaps part
    {"train": …, "test": …}         a pair of arrays or a Dataset for each part

Nothing records where such data came from; their SHA-256 alone says whether a study goes on with the same.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from convblocks.data.arrays import finish
from convblocks.data.dataset import Dataset, assemble, check_class_names
from convblocks.data.folder import labelled, preparation, read_files
from convblocks.data.images import GREY_MODES, to_pixels
from convblocks.data.labels import encode_labels
from convblocks.data.listing import PART_NAMES
from convblocks.data.memory import require_memory
from convblocks.data.npz import Pair, find_pairs, to_arrays
from convblocks.data.resampling import Size
from convblocks.data.split import PARTS
from convblocks.errors import DataError, OptionError, Setting
from convblocks.text import listed, plural, shown, times

AnyArray = npt.NDArray[Any]

TAKES = (
    'expected a path or name, arrays (x, y), a torch Dataset of (image, label), a table with columns "path" and '
    '"label", or a dict of parts'
)
# items that are read twice, to notice random transforms
REREAD = 8


def load_object(
    source: object, *, size: Size | None, split_seed: int, skip_broken: bool, layout: str | None
) -> Dataset:
    """Reads data of a script. Raises DataError for what they lack, and for shapes and values that cannot be used."""
    where = name_of_object(source)
    if _is_table(source):
        if layout is not None:
            raise OptionError(
                "layout", layout, "goes with arrays; a table names image files, so leave it out"
            )
        return _load_table(source, where, size, split_seed, skip_broken)
    pairs, raw = _raw(source, where, size)
    arrays = to_arrays(pairs, raw, where, skip_broken=skip_broken, layout=layout)
    return finish(arrays, name=where, source=where, size=size, split_seed=split_seed)


def name_of_object(source: object) -> str:
    """Returns the name that messages and records give to data of a script.

    >>> name_of_object((0, 1)), name_of_object({"x": 0, "y": 1})
    ('arrays', 'arrays')
    """
    if isinstance(source, tuple | Mapping):
        return "arrays"
    return "table" if _is_table(source) else shown(type(source).__name__)


def _raw(source: object, where: str, size: Size | None) -> tuple[dict[str, Pair], dict[str, AnyArray]]:
    """Returns the keys of each part, and the arrays of all keys."""
    if isinstance(source, Mapping):
        keys = [str(key) for key in source]
        parts = {PART_NAMES.get(str(key).casefold()): value for key, value in source.items()}
        _check_parts(keys, where)
        if None in parts:
            pairs = find_pairs(keys, where)
            return pairs, {
                key: to_array(source[key], f"{where}: {key}") for pair in pairs.values() for key in pair
            }
    else:
        parts = {"all": source}
    pairs, raw = {}, {}
    for part, value in parts.items():
        pair = Pair("x", "y") if part == "all" else Pair(f"{part} x", f"{part} y")
        pairs[str(part)] = pair
        raw[pair.x], raw[pair.y] = _pair(value, where if part == "all" else f"{where}: {part}", size)
    return pairs, raw


def _check_parts(keys: list[str], where: str) -> None:
    """Refuses two keys for one part, and a key that is no part beside others that are."""
    key_of: dict[str, str] = {}
    other_keys = []
    for key in keys:
        part = PART_NAMES.get(key.casefold())
        if part is None:
            other_keys.append(key)
        elif part in key_of:
            both = f"{shown(repr(key_of[part]))} and {shown(repr(key))}"
            raise DataError(f"{where}: {both} are both the {part} part: keep one of them")
        else:
            key_of[part] = key
    if key_of and other_keys:
        parts = listed([shown(repr(key)) for key in key_of.values()])
        close = get_close_matches(other_keys[0].casefold(), PARTS, n=1)
        raise DataError(
            f"{where}: {shown(repr(other_keys[0]))} is no part, but stands beside {parts}; expected {listed([*PARTS])}"
            + (f"; did you mean {close[0]}?" if close else "")
        )


def _pair(source: object, where: str, size: Size | None) -> tuple[AnyArray, AnyArray]:
    if isinstance(source, tuple) and len(source) == 2 and (_is_list(source) or not _is_dataset(source[0])):
        return to_array(source[0], f"{where}: x"), to_array(source[1], f"{where}: y")
    if not _is_dataset(source):
        several = isinstance(source, tuple) and all(map(_is_dataset, source))
        kind = "a tuple of Datasets" if several else f"a {type(source).__name__}"
        fix = '; give them as {"train": …, "test": …}' if several else ""
        if _is_dataset(getattr(source, "dataset", None)) and hasattr(source, "batch_size"):
            raise DataError(f"{where}: is a {type(source).__name__}, which gives batches: give its .dataset")
        if hasattr(source, "__iter__") and not hasattr(source, "__len__"):
            kind, fix = f"{kind} without a length", "; give a map-style Dataset, or its examples as a list"
        raise DataError(f"{where}: is {kind}; {TAKES}{fix}")
    return _read_dataset(source, where, size)


def _is_table(source: object) -> bool:
    return hasattr(source, "columns") and hasattr(source, "__getitem__") and not isinstance(source, Mapping)


def _is_dataset(source: object) -> bool:
    """Returns true for a map-style source: items by number, as many as its length says."""
    array = hasattr(source, "dtype") or hasattr(source, "__array__")
    items = hasattr(source, "__getitem__") and hasattr(source, "__len__")
    return items and not array and not isinstance(source, str | bytes | tuple | type | Mapping)


def _is_list(pair: tuple[object, object]) -> bool:
    return any(isinstance(value, list) for value in pair)


def to_array(value: Any, where: str) -> AnyArray:
    """Turns a tensor, array, series or list into an array of numbers or text. Raises DataError for other values."""
    try:
        # a tensor; NumPy has no bfloat16
        if hasattr(value, "detach"):
            value = value.detach().cpu().resolve_conj().resolve_neg()
            value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
        array = np.asarray(value)
    except MemoryError:
        raise
    except Exception as error:
        raise DataError(f"{where}: cannot be an array ({shown(error)}): expected numbers or text") from error
    if array.dtype == object and all(isinstance(element, str) for element in array.reshape(-1)):
        return array.astype(str)
    if array.dtype == object:
        kinds = sorted({type(element).__name__ for element in array.reshape(-1)})
        raise DataError(
            f"{where}: holds {listed(kinds)}: expected numbers, or for labels also text, in each place"
        )
    return array


def _read_dataset(source: Any, where: str, size: Size | None) -> tuple[AnyArray, AnyArray]:
    """Reads examples (N, …) and labels (N, …) of a map-style Dataset, each item once."""
    number = len(source)
    if number == 0:
        raise DataError(f"{where}: is empty: expected (image, label) pairs")
    examples: list[AnyArray] = []
    labels: list[AnyArray] = []
    grey = True
    for at in range(number):
        image, label = _item(source, at, where)
        pixels, is_grey = _pixels(image, f"{where}: item {at}", size)
        grey &= is_grey
        if at == 0:
            examples_text = f"{where}: {plural(number, 'example')} of {times(pixels.shape)}"
            require_memory(2 * number * pixels.nbytes, examples_text, "give fewer or smaller examples")
        elif pixels.shape != examples[0].shape:
            raise DataError(
                f"{where}: item 0 has shape {times(examples[0].shape)} and item {at} {times(pixels.shape)}, and a "
                "network takes one: bring them to one size in the Dataset, or, if they are PIL images, with ",
                Setting("image_size", 32),
            )
        examples.append(pixels)
        labels.append(to_array(label, f"{where}: label of item {at}"))
    _check_repeats(source, examples, where, size)
    x = np.stack(examples)
    # of PIL images, which were all decoded as RGB
    if grey:
        x = x[..., :1]
    return x, _with_class_names(source, _stacked(labels, where))


def _item(source: Any, at: int, where: str) -> tuple[object, object]:
    try:
        item = source[at]
    except MemoryError:
        raise
    except Exception as error:
        problem = f"{type(error).__name__}: {shown(error)}"
        raise DataError(
            f"{where}: item {at} cannot be read ({problem}): fix the Dataset's __getitem__"
        ) from error
    if not isinstance(item, tuple | list) or len(item) != 2:
        two = isinstance(source, list) and len(source) == 2
        fix = "; arrays x and y are given as a tuple, (x, y)" if two else ""
        kind = f"{type(item).__name__} of {len(item)}" if hasattr(item, "__len__") else type(item).__name__
        raise DataError(f"{where}: item {at} is a {kind}: expected a pair (image, label){fix}")
    return item[0], item[1]


def _pixels(image: object, where: str, size: Size | None) -> tuple[AnyArray, bool]:
    """Returns the example as an array, and true where it is a grey PIL image, whose three channels are alike."""
    if not isinstance(image, Image.Image):
        return to_array(image, where), False
    if image.mode.startswith(("I", "F")):
        raise DataError(
            f"{where}: a PIL image of mode {image.mode}, whose range is not stated: give it as an array, or the files "
            "as a folder or table"
        )
    pixels = np.moveaxis(to_pixels(image, channels=3, size=size), 0, -1)
    return pixels, image.mode in GREY_MODES


def _check_repeats(source: Any, examples: list[AnyArray], where: str, size: Size | None) -> None:
    """Refuses items that differ when read again: no study could go on with them, nor would an epoch be one."""
    for at, before in enumerate(examples[:REREAD]):
        again, _ = _pixels(_item(source, at, where)[0], f"{where}: item {at}", size)
        if not np.array_equal(before, again, equal_nan=before.dtype.kind == "f"):
            raise DataError(
                f"{where}: item {at} differs when it is read again, as with a random transform: give the Dataset "
                "without it, and augmentation as Recipe(augment=…)"
            )


def _stacked(labels: list[AnyArray], where: str) -> AnyArray:
    shapes = {label.shape for label in labels}
    if len(shapes) > 1:
        shapes_text = listed([str(shape) for shape in sorted(shapes)])
        raise DataError(f"{where}: labels of the shapes {shapes_text}: expected one class per example")
    return np.stack(labels)


def _with_class_names(source: Any, labels: AnyArray) -> AnyArray:
    """Names labels by the Dataset's `classes`, which torchvision's have, where they are positions in it."""
    classes = getattr(source, "classes", None)
    if not isinstance(classes, list | tuple) or not all(isinstance(name, str) for name in classes):
        return labels
    places = labels.reshape(len(labels), -1)
    if places.shape[1] != 1 or labels.dtype.kind not in "iu" or len(set(classes)) < len(classes):
        return labels
    if places.min() < 0 or places.max() >= len(classes):
        return labels
    return np.array(classes)[places[:, 0]]


def _load_table(table: Any, where: str, size: Size | None, split_seed: int, skip_broken: bool) -> Dataset:
    """Reads a table of images by their paths, which start at the working directory."""
    columns = {str(name).casefold(): name for name in table.columns}
    if missing := [name for name in ("path", "label") if name not in columns]:
        columns_text = listed([shown(name) for name in table.columns]) if len(columns) else "nothing"
        raise DataError(
            f"{where}: has no column {' and no column '.join(missing)}; it holds {columns_text}; expected path and "
            f"label, and perhaps part with {listed([*PARTS])}"
        )
    paths = list(_paths(list(table[columns["path"]]), where))
    encoded = encode_labels({"label": to_array(list(table[columns["label"]]), f"{where}: label")}, where)
    check_class_names(encoded.classes, where)
    parts = _parts_of(list(table[columns["part"]]), where) if "part" in columns else ["all"] * len(paths)
    listed_files = list(zip(paths, parts, encoded.labels["label"].tolist(), strict=True))
    read = read_files(Path(where), listed_files, encoded.classes, size, split_seed, skip_broken)
    return assemble(
        labelled(read),
        encoded.classes,
        name=where,
        source=where,
        split=read.order.split,
        preparation=preparation(read.form, read.files, 0),
        skipped=len(listed_files) - len(read.files),
    )


def _paths(values: list[Any], where: str) -> Iterator[Path]:
    if not values:
        raise DataError(f"{where}: has no rows: expected a path and a label in each")
    rows: dict[Path, int] = {}
    for at, value in enumerate(values):
        if not isinstance(value, str | PathLike):
            raise DataError(f"{where}: row {at}: path is {shown(value)}: expected the path of an image file")
        path = Path(value)
        if path in rows:
            both = f"rows {rows[path]} and {at}"
            raise DataError(
                f"{where}: {both} name {shown(path)}: keep one, for an example has one class and part"
            )
        rows[path] = at
        yield path


def _parts_of(values: list[Any], where: str) -> list[str]:
    parts = []
    for at, value in enumerate(values):
        part = PART_NAMES.get(str(value).casefold())
        if part is None:
            raise DataError(f"{where}: row {at}: part is {shown(value)}: expected {listed([*PARTS])}")
        parts.append(part)
    return parts

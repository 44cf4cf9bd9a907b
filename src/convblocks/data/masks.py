"""A folder of images and of their masks as a data set to segment.

    photos/images/a/1.jpg, photos/masks/a/1.png                   split by us
    photos/train/images/1.jpg, photos/train/masks/1.png, …        parts, called as in listing.py
    photos/images/train/1.jpg, photos/masks/train/1.png, …        the same parts, the other way round
    photos/classes.txt                                            names of the classes 0, 1, …, one a line

A mask belongs to the image of the same path and stem. It has one channel, or a palette whose colours do not matter:
its values are classes, IGNORE (255) is no class. Without classes.txt the values found are the classes, unless
they look like grey levels, or one is in too few masks. Masks of 0 and 255 alone are background and foreground.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from warnings import catch_warnings, simplefilter

import numpy as np
import numpy.typing as npt

from convblocks.data.dataset import IGNORE, Dataset, LabelMaps, assemble, check_class_names
from convblocks.data.folder import File, Format, in_threads, name_of, preparation, read_headers, read_images
from convblocks.data.images import MASK_SUFFIXES, SUFFIXES, decode_mask
from convblocks.data.listing import children, files_below, listing_errors, part_of
from convblocks.data.resampling import Size
from convblocks.data.split import PARTS
from convblocks.errors import DataError, Setting
from convblocks.files import read_text
from convblocks.text import listed, plural, shown

IMAGES, MASKS, CLASSES = "images", "masks", "classes.txt"
EXPECTED = f"expected {IMAGES}/ and {MASKS}/ with files of the same names, as in images/1.jpg and masks/1.png"


class Pairs(NamedTuple):
    """Images and their masks: `parts[part][image]`; part is "all", or "train", "validation", "test".

    `ignored` counts files that are no images or no masks, and masks without an image.
    """

    parts: dict[str, dict[Path, Path]]
    ignored: int


def has_masks(root: Path) -> bool:
    """Returns true for a folder of images and masks."""
    with listing_errors(root):
        return any(True for _ in _places(root))


def load_masked(root: Path, *, source: str, size: Size | None, split_seed: int, skip_broken: bool) -> Dataset:
    """Reads a folder of images and masks. Raises DataError for a layout, sizes, files or values that cannot be used."""
    pairs = find_pairs(root)
    masks = {image: mask for part in pairs.parts.values() for image, mask in part.items()}
    # as in load_folder
    with catch_warnings():
        simplefilter("ignore")
        listed_files = [(image, part, 0) for part, images in pairs.parts.items() for image in images]
        files = read_headers(listed_files, skip_broken)
        while True:
            read = read_images(root, files, ("any",), size, split_seed, skip_broken)
            y, broken = _decode_masks(read.order.files, masks, read.form, skip_broken)
            if not broken:
                break
            files = [file for file in read.files if file.path not in broken]
    # as many masks as a split of the class takes
    least = len(PARTS) if pairs.parts.keys() <= {"all", "train"} else 2
    maps = _classes(root, y, [masks[file.path] for file in read.order.files], least)
    prepared = preparation(read.form, read.files, pairs.ignored)
    arrays = zip(np.split(read.x, read.order.ends), np.split(maps.y, read.order.ends), strict=True)
    return assemble(
        dict(zip(PARTS, arrays, strict=True)),
        maps.classes,
        name=name_of(root),
        source=source,
        split=read.order.split,
        preparation=f"{prepared}; masks to the nearest pixel" if size else prepared,
        skipped=len(listed_files) - len(read.files),
        notes=maps.notes,
    )


def refuse_to_classify(root: Path) -> None:
    """Raises DataError for a folder whose images have masks of the same names: its folders are no classes."""
    with listing_errors(root):
        for _, images, masks in _places(root):
            stems = {path.relative_to(masks).with_suffix("") for path in files_below(masks, MASK_SUFFIXES)[0]}
            for path in files_below(images, SUFFIXES)[0]:
                if path.relative_to(images).with_suffix("") in stems:
                    raise DataError(
                        f"{shown(path)}: has a mask of the same name in {shown(masks)}, so these are data to segment, "
                        f"not to classify: give ",
                        Setting("task", "segment"),
                        f", or rename the folders if {IMAGES} and {MASKS} are classes",
                    )


def find_pairs(root: Path) -> Pairs:
    """Lists the folder. Raises DataError for an image without a mask, and for a layout that is none of those above."""
    with listing_errors(root):
        places = list(_places(root))
        if not places:
            raise DataError(f"{shown(root)}: holds no {IMAGES}/ with a {MASKS}/ beside; {EXPECTED}")
        if "all" not in (names := [part for part, _, _ in places]) and "train" not in names:
            raise DataError(
                f"{shown(root)}: holds {listed(names)} but no train part: add it, or give one alone"
            )
        parts, ignored = {}, 0
        for part, images, masks in places:
            if part in parts:
                raise DataError(f"{shown(root)}: holds two folders for its {part} part: keep one of them")
            parts[part], unpaired = _paired(images, masks)
            ignored += unpaired
        return Pairs(parts, ignored)


def _places(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """Yields (part, folder of images, folder of masks)."""
    if (root / IMAGES).is_dir() and (root / MASKS).is_dir():
        inner = [(part, folder) for folder in children(root / IMAGES)[0] if (part := part_of(folder.name))]
        if any(part == "train" for part, _ in inner):
            for part, folder in inner:
                yield part, folder, root / MASKS / folder.name
        else:
            yield "all", root / IMAGES, root / MASKS
        return
    for folder in children(root)[0]:
        part = part_of(folder.name)
        if part and (folder / IMAGES).is_dir() and (folder / MASKS).is_dir():
            yield part, folder / IMAGES, folder / MASKS


def _paired(images: Path, masks: Path) -> tuple[dict[Path, Path], int]:
    """Returns the mask of each image, in the order of the images, and the number of other files."""
    image_paths, other_images = files_below(images, SUFFIXES)
    mask_paths, other_masks = files_below(masks, MASK_SUFFIXES)
    mask_of_stem: dict[Path, Path] = {}
    for mask in mask_paths:
        stem = mask.relative_to(masks).with_suffix("")
        if stem in mask_of_stem:
            raise DataError(
                f"{shown(mask)}: {shown(mask_of_stem[stem].name)} is the same image's mask: keep one of them"
            )
        mask_of_stem[stem] = mask
    pairs: dict[Path, Path] = {}
    image_of_stem: dict[Path, Path] = {}
    for image in image_paths:
        stem = image.relative_to(images).with_suffix("")
        if stem in image_of_stem:
            raise DataError(
                f"{shown(image)}: {shown(image_of_stem[stem].name)} has the same mask: rename or remove one"
            )
        if stem not in mask_of_stem:
            expected = shown((masks / stem).with_suffix(".png"))
            lossy = next(
                (path for path in other_masks if path.relative_to(masks).with_suffix("") == stem), None
            )
            instead = f" in place of {shown(lossy.name)}, which cannot be a mask" if lossy else ""
            raise DataError(f"{shown(image)}: has no mask: add {expected}{instead}, or take the image out")
        image_of_stem[stem], pairs[image] = image, mask_of_stem[stem]
    if not pairs:
        raise DataError(f"{shown(images)}: holds no images ({', '.join(SUFFIXES)}); {EXPECTED}")
    return pairs, len(other_images) + len(other_masks) + len(mask_paths) - len(pairs)


def _decode_masks(
    files: list[File], masks: dict[Path, Path], form: Format, skip_broken: bool
) -> tuple[LabelMaps, set[Path]]:
    """Returns the masks as they are, (N, H, W), and the images whose masks are broken."""
    y: LabelMaps = np.empty((len(files), form.height, form.width), np.uint8)

    def fill(at: int) -> bool:
        header = files[at].header
        y[at] = decode_mask(masks[files[at].path], (header.width, header.height), files[at].path, form.size)
        return True

    done = in_threads(fill, range(len(files)), skip_broken)
    return y, {file.path for file, whole in zip(files, done, strict=True) if not whole}


class Maps(NamedTuple):
    """Label maps `y` as positions among `classes`, and sentences on values that do not say what they are."""

    classes: tuple[str, ...]
    y: LabelMaps
    notes: list[str]


def _classes(root: Path, y: LabelMaps, masks: Sequence[Path], least: int) -> Maps:
    """Reads the maps' values as classes, each in `least` masks or more. Raises DataError for what they cannot mean."""
    # [mask, value]
    counts = np.stack([np.bincount(mask.reshape(-1), minlength=IGNORE + 1) for mask in y])
    values = np.flatnonzero(counts[:, :IGNORE].any(axis=0)).tolist()
    white = bool(counts[:, IGNORE].any())
    names = _names(root / CLASSES) if os.path.lexists(root / CLASSES) else None
    if white and values == [0] and (names is None or len(names) == 2):
        note = f"masks of 0 and {IGNORE}: {IGNORE} read as class 1, the foreground"
        return Maps(names or ("0", str(IGNORE)), (y == IGNORE).astype(np.uint8), [note])
    if len(values) < 2:
        content = f"one class, {values[0]}" if values else "no class"
        raise DataError(
            f"{shown(root / MASKS)}: the masks hold {content} ({IGNORE} marks what has none), and to segment takes two "
            f"classes or more: write them as 0, 1, 2, …, or background and foreground as 0 and {IGNORE}"
        )
    if names is not None:
        for value in values:
            if value >= len(names):
                mask = masks[int(np.argmax(counts[:, value] > 0))]
                raise DataError(
                    f"{shown(mask)}: holds the value {value}, but {CLASSES} names 0 to {len(names) - 1}: fix one of "
                    f"them; {IGNORE} marks what has no class"
                )
        return Maps(names, y, [])
    _check_values(root, counts, masks, least)
    if white and values == [0, 1]:
        _check_one_foreground(root, counts)
    position = np.full(IGNORE + 1, IGNORE, np.uint8)
    position[values] = np.arange(len(values))
    notes = []
    if values != list(range(len(values))):
        in_order = listed([str(value) for value in values])
        notes.append(f"mask values {in_order} read as classes 0 to {len(values) - 1}, in this order")
    return Maps(tuple(map(str, values)), position[y], notes)


def _check_one_foreground(root: Path, counts: npt.NDArray[np.int64]) -> None:
    """Refuses masks of 0 and 1 among masks of 0 and 255, which are two ways to write the same."""
    ones, whites = counts[:, 1] > 0, counts[:, IGNORE] > 0
    if not (ones & whites).any():
        raise DataError(
            f"{shown(root / MASKS)}: {plural(int(ones.sum()), 'mask')} of the values 0 and 1 and {int(whites.sum())} "
            f"of 0 and {IGNORE}, none of both: write the foreground as 1 in all, or, if {IGNORE} marks what has no "
            f"class, name the classes in {CLASSES}"
        )


def _check_values(root: Path, counts: npt.NDArray[np.int64], masks: Sequence[Path], least: int) -> None:
    """Refuses values that look like grey levels, where 255 is no class but white, and stray ones."""
    masks_with = np.count_nonzero(counts[:, :IGNORE], axis=0)
    values = np.flatnonzero(masks_with).tolist()
    common, rare = [v for v in values if masks_with[v] >= least], [v for v in values if masks_with[v] < least]
    if counts[:, IGNORE].any() and not (_are_numbers(values) or _are_numbers(common)):
        pixels = counts.sum(axis=0).tolist()
        levels = [f"{value} ({plural(pixels[value], 'pixel')})" for value in [*values, IGNORE]]
        raise DataError(
            f"{shown(root / MASKS)}: the masks hold the values {listed(levels)}, which look like grey levels, and "
            f"{IGNORE} marks what has no class: write the classes as 0, 1, 2, …, or name them in {CLASSES}, that of "
            "0 first"
        )
    if rare:
        value, number = rare[0], int(masks_with[rare[0]])
        first = int(np.argmax(counts[:, value] > 0))
        pixels = plural(int(counts[first, value]), "pixel")
        alike = f", and {plural(len(rare) - 1, 'other value')} likewise" if len(rare) > 1 else ""
        raise DataError(
            f"{shown(masks[first])}: holds the value {value} in {pixels}, and {_other_masks(number - 1)}{alike}; "
            f"expected a class in {least} masks or more: fix the masks, add examples of it, or, if it is to stay, "
            f"name the classes 0 to {value} in {CLASSES}"
        )


def _are_numbers(values: Sequence[int]) -> bool:
    """Returns true for values that count from 0 or 1, and not on to white."""
    return (
        bool(values)
        and values[0] <= 1
        and values[-1] < IGNORE - 1
        and values[-1] - values[0] == len(values) - 1
    )


def _other_masks(number: int) -> str:
    return f"only {plural(number, 'other mask')} does" if number else "no other mask does"


def _names(path: Path) -> tuple[str, ...]:
    try:
        names = tuple(line.strip() for line in read_text(path).rstrip().splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{shown(path)}: cannot be read as UTF-8 text: {shown(error)}") from error
    # to leave it out would name each class after it by its neighbour's
    if "" in names:
        raise DataError(
            f"{shown(path)}: line {(at := names.index('')) + 1} is blank: name class {at} there, or take it out"
        )
    if not 2 <= len(names) <= IGNORE or len(set(names)) < len(names):
        raise DataError(
            f"{shown(path)}: names {plural(len(names), 'class', 'classes')}, {len(set(names))} different: expected "
            f"2 to {IGNORE} different names, one a line, that of class 0 first"
        )
    check_class_names(names, shown(path))
    return names

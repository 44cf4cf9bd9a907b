"""A folder of images, one folder per class, as a data set.

Every header is read first, so that a wrong size or too little memory shows at once; then the parts
are drawn, and each image is decoded straight into its place. Files found broken on the way are left
out on request and all is chosen anew: the outcome is that of a folder without those files.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar
from warnings import catch_warnings, simplefilter

import numpy as np

from convblocks.data.dataset import Dataset, Examples, Targets, assemble, check_class_names
from convblocks.data.images import BrokenImageError, ImageHeader, decode, highest_value, read_header
from convblocks.data.listing import find_images
from convblocks.data.memory import require_memory
from convblocks.data.resampling import Size, per_axis
from convblocks.data.split import PARTS, complete
from convblocks.errors import DataError, Setting
from convblocks.text import listed, plural, shown

T = TypeVar("T")
R = TypeVar("R")
# files a thread takes at a time
BATCH = 32


class File(NamedTuple):
    """One image file, its part and class, and its header."""

    path: Path
    part: str
    label: int
    header: ImageHeader


class Format(NamedTuple):
    """The form that all images are brought to.

    `bits` are those that greyscale images of more than 8 bits really use; None without such images. `size` is the size
    that the caller gave, to which images are resized and cropped.
    """

    channels: int
    height: int
    width: int
    bits: int | None
    size: Size | None


class Order(NamedTuple):
    """The files in the order of the arrays: train, validation, test.

    `ends` are the positions where train and validation end; `split` is a sentence on how the parts came about.
    """

    files: list[File]
    ends: list[int]
    split: str


class Read(NamedTuple):
    """Images in the order of the arrays, decoded to `x` (N, C, H, W); `files` are those that are not broken."""

    form: Format
    order: Order
    x: Examples
    files: list[File]


def load_folder(root: Path, *, source: str, size: Size | None, split_seed: int, skip_broken: bool) -> Dataset:
    """Reads a folder of images. Raises DataError for a layout, sizes or files that cannot be used."""
    listing = find_images(root)
    classes = sorted({name for part in listing.parts.values() for name in part})
    check_class_names(classes, shown(root))
    listed_files = [
        (path, part, classes.index(name))
        for part, of_class in listing.parts.items()
        for name, paths in of_class.items()
        for path in paths
    ]
    read = read_files(root, listed_files, classes, size, split_seed, skip_broken)
    unused = listing.unused and f"; {listed([shown(name) + '/' for name in listing.unused])} not used"
    return assemble(
        labelled(read),
        classes,
        name=name_of(root),
        source=source,
        split=f"{read.order.split}{unused or ''}",
        preparation=preparation(read.form, read.files, listing.ignored),
        skipped=len(listed_files) - len(read.files),
        notes=listing.notes,
    )


def read_files(
    root: Path,
    listed_files: Sequence[tuple[Path, str, int]],
    classes: Sequence[str],
    size: Size | None,
    split_seed: int,
    skip_broken: bool,
) -> Read:
    """Reads the headers of files (path, part, label), draws the parts and decodes; errors name `root`."""
    # around all threads: Pillow warns of what is checked here or does not matter
    with catch_warnings():
        simplefilter("ignore")
        files = read_headers(listed_files, skip_broken)
        return read_images(root, files, classes, size, split_seed, skip_broken)


def labelled(read: Read) -> dict[str, tuple[Examples, Targets]]:
    """Returns images and labels of each part."""
    labels = np.array([file.label for file in read.order.files], np.int64)
    arrays = zip(np.split(read.x, read.order.ends), np.split(labels, read.order.ends), strict=True)
    return dict(zip(PARTS, arrays, strict=True))


def name_of(root: Path) -> str:
    """Returns the folder's own name, whatever path leads to it."""
    return shown((root if root.name.strip(".") else root.resolve()).name)


def read_headers(listed_files: Sequence[tuple[Path, str, int]], skip_broken: bool) -> list[File]:
    """Returns those of the files (path, part, label) that have a usable header."""
    headers = in_threads(lambda item: read_header(item[0]), listed_files, skip_broken)
    return [
        File(*item, header) for item, header in zip(listed_files, headers, strict=True) if header is not None
    ]


def read_images(
    root: Path,
    files: list[File],
    classes: Sequence[str],
    size: Size | None,
    split_seed: int,
    skip_broken: bool,
) -> Read:
    """Draws the parts and decodes their images, again without those that turn out to be broken."""
    while True:
        form, broken = _choose_format(root, files, size, skip_broken)
        if not broken:
            order = _draw_parts(root, files, classes, split_seed)
            x, broken = _decode_all(order.files, form, skip_broken)
            if not broken:
                return Read(form, order, x, files)
            # before there is another
            del x
        files = [file for file in files if file.path not in broken]


def _choose_format(
    root: Path, files: list[File], size: Size | None, skip_broken: bool
) -> tuple[Format, set[Path]]:
    """Returns one format for all images, and the files that turned out to be broken."""
    if not files:
        raise DataError(f"{shown(root)}: not one of its images can be read: check that they are whole")
    if size is None:
        _check_same_size(root, files)
    channels = 1 if all(file.header.grey for file in files) else 3
    height, width = per_axis(size, 2) if size else (files[0].header.height, files[0].header.width)
    require_memory(
        len(files) * channels * height * width,
        f"{shown(root)}: {plural(len(files), 'image')} of {width}×{height}×{channels} bytes",
        "pass a smaller ",
        Setting("image_size"),
        " or give fewer images",
    )
    deep = [file.path for file in files if file.header.deep]
    highest = dict(zip(deep, in_threads(highest_value, deep, skip_broken), strict=True))
    bits = max((value.bit_length() for value in highest.values() if value is not None), default=0)
    form = Format(channels, height, width, max(bits, 8) if deep else None, size)
    return form, {path for path, value in highest.items() if value is None}


def _check_same_size(root: Path, files: list[File]) -> None:
    by_area = sorted(files, key=lambda file: (file.header.width * file.header.height, file.header.width))
    small, large = by_area[0], by_area[-1]
    if small.header[:2] == large.header[:2]:
        return
    inside = [f.path.relative_to(root) if f.path.is_relative_to(root) else f.path for f in (small, large)]
    ends = [
        f"{f.header.width}×{f.header.height} ({shown(path)})"
        for f, path in zip((small, large), inside, strict=True)
    ]
    raise DataError(
        f"{shown(root)}: the images differ in size, from {ends[0]} to {ends[1]}, and a network takes one: "
        "give a number of pixels to bring them all to, with ",
        Setting("image_size", 32),
    )


def _draw_parts(root: Path, files: list[File], classes: Sequence[str], seed: int) -> Order:
    files_of_part: dict[str, list[File]] = {}
    for file in files:
        files_of_part.setdefault(file.part, []).append(file)
    labels = {
        part: np.array([file.label for file in members], np.int64) for part, members in files_of_part.items()
    }
    takes, split = complete(labels, classes, seed, shown(root))
    ordered = [files_of_part[takes[part].part][i] for part in PARTS for i in takes[part].indices]
    ends = np.cumsum([len(takes[part].indices) for part in PARTS]).tolist()
    return Order(ordered, ends[:-1], split)


def _decode_all(files: list[File], form: Format, skip_broken: bool) -> tuple[Examples, set[Path]]:
    """Returns (N, C, H, W) of `files` in their order, and those that are broken, whose pixels are undefined."""
    x: Examples = np.empty((len(files), form.channels, form.height, form.width), dtype=np.uint8)

    def fill(at: int) -> bool:
        path = files[at].path
        pixels = decode(path, channels=form.channels, bits=form.bits or 8, size=form.size)
        # a PNG may state its orientation after the pixels
        if pixels.shape != x.shape[1:]:
            raise DataError(f"{shown(path)}: lies on its side: turn it, or pass ", Setting("image_size"))
        x[at] = pixels
        return True

    done = in_threads(fill, range(len(files)), skip_broken)
    return x, {file.path for file, whole in zip(files, done, strict=True) if not whole}


def preparation(form: Format, files: list[File], ignored: int) -> str:
    """Describes what was done to the images."""
    kind = "greyscale" if form.channels == 1 else "RGB"
    steps = [f"8-bit {kind} of {form.width}×{form.height} pixels"]
    if {file.header[:2] for file in files} == {(form.width, form.height)}:
        steps.append("not resized")
    else:
        square = isinstance(form.size, int)
        resizing = (
            f"shorter side resized to {form.size}"
            if square
            else f"resized to cover {form.width}×{form.height}"
        )
        steps.append(f"{resizing} (bilinear, antialiased), then the centre cropped")
    steps.append("EXIF orientation applied, transparency laid over white")
    grey = sum(file.header.grey for file in files)
    if form.channels == 3 and grey:
        steps.append(f"{plural(grey, 'greyscale image')} turned into RGB")
    if form.bits is not None:
        steps.append(f"16-bit values scaled to 8 bits, from 0–{2**form.bits - 1} to 0–255")
    if ignored:
        steps.append(f"{plural(ignored, 'other file')} ignored")
    return "; ".join(steps)


def in_threads(work: Callable[[T], R], items: Sequence[T], skip_broken: bool) -> Iterator[R | None]:
    """Yields `work(item)` for all items, in their order; None for broken files if they are to be skipped."""

    def result_of(item: T) -> R | None:
        try:
            return work(item)
        except BrokenImageError:
            if not skip_broken:
                raise
            return None

    batches = [items[start : start + BATCH] for start in range(0, len(items), BATCH)]
    with ThreadPoolExecutor(max_workers=min(8, max(2, os.cpu_count() or 2))) as pool:
        for results in pool.map(lambda batch: [result_of(item) for item in batch], batches):
            yield from results

"""load_dataset: one entry for all that users have, by what the source is; and load_again."""

import dataclasses
import os
import stat
from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import msgspec

from convblocks.data.arrays import LAYOUTS
from convblocks.data.dataset import Dataset
from convblocks.data.embedded import ALIASES, EMBEDDED, load_embedded
from convblocks.data.folder import load_folder
from convblocks.data.masks import has_masks, load_masked, refuse_to_classify
from convblocks.data.npz import load_npz
from convblocks.data.objects import load_object
from convblocks.data.resampling import Size
from convblocks.data.split import PARTS
from convblocks.errors import DataError, OptionError, Setting
from convblocks.records import METRICS, DataCard, Loading, Task
from convblocks.text import listed, shown, times

TAKES = "a folder with one folder of images per class, or with images/ and masks/, a .npz file, or an embedded data set"
DEFAULT: dict[Task | None, str] = {None: "digits", "classify": "digits", "segment": "canvases"}
SIZES = (4, 65_536)


def load_dataset(
    source: object = None,
    *,
    image_size: int | Sequence[int] | None = None,
    split_seed: int = 0,
    skip_broken: bool = False,
    layout: str | None = None,
    task: Task | None = None,
) -> Dataset:
    """Loads a data set whole into memory, in three parts.

    All x are (N, C, *spatial), uint8 or float32. All y are (N,) int64 to classify, and (N, *spatial) uint8 to segment,
    where 255 is no class. The card says how the parts came about and what was done to the examples.

    Args:
        source: an embedded set's name (digits, faces, textures, canvases), a folder of images with one folder per
            class, a folder with images/ and masks/, or a .npz file; None for "digits", or "canvases" to segment. A
            name wins over a folder of that name: give "./digits" for the folder. Or what a script holds: arrays
            (x, y), a torch Dataset of (image, label), a table with columns path and label; see objects.py.
        image_size: positions along every spatial axis, or along each: (height, width) of images. Images in folders
            are resized to cover it, and their centre is cropped; each axis of arrays is resampled to it. None keeps
            the sizes.
        split_seed: the seed by which parts that the data lack are drawn, within each class.
        skip_broken: leaves out broken image files, or examples with NaN, and counts them in `card.skipped`.
        layout: the axis of a .npz file's examples that counts the channels, however long it is: "channels-first"
            (N, C, …), "channels-last" (N, …, C) or "none"; None for an axis of 1, 3 or 4, last or else first after N.
        task: "classify" or "segment", for which the data must serve; None for the task that they are for.

    Raises:
        DataError: data that cannot be used.
        MissingExtra: an embedded set whose package is not installed.
        OptionError: another argument that cannot be used.
    """
    size = _size(image_size)
    if not (_is_whole(split_seed) and split_seed >= 0):
        raise OptionError("split_seed", split_seed, "expected a whole number of at least 0")
    if not isinstance(skip_broken, bool):
        raise OptionError("skip_broken", skip_broken, "expected true or false")
    if layout not in tuple(LAYOUTS):
        raise OptionError("layout", layout, "expected channels-first, channels-last or none")
    if task not in (None, *METRICS):
        raise OptionError("task", task, f"expected {listed(METRICS, 'or')}")
    if source is not None and not isinstance(source, str | os.PathLike):
        dataset = load_object(
            source, size=size, split_seed=split_seed, skip_broken=skip_broken, layout=layout
        )
        _check_task(dataset, dataset.card.source, task)
        return dataset
    name = os.fsdecode(DEFAULT[task] if source is None else source)
    dataset = _load(name, size, split_seed, skip_broken, layout, task)
    _check_task(dataset, name, task)
    loading = Loading(
        source=name,
        image_size=size,
        split_seed=split_seed,
        skip_broken=skip_broken,
        layout=layout,
        task=task,
    )
    if not _is_text(name):
        return dataset
    return dataclasses.replace(dataset, card=msgspec.structs.replace(dataset.card, loading=loading))


def load_again(card: DataCard, folder: str | os.PathLike[str] | None = None) -> Dataset:
    """Loads the data set of `card` again from its source, the same to the bit.

    Args:
        card: the card of a data set that load_dataset gave.
        folder: the folder where a relative path starts; None for the working directory.

    Raises:
        DataError: the card does not say how it was loaded, as those of earlier versions and of a script's own arrays
            do not; or the data are no longer the same. And as load_dataset does.
    """
    loading = card.loading
    if loading is None:
        raise DataError(
            f"{card.source}: the record does not say how these data were loaded; load them with load_dataset from a "
            "folder or file, since arrays of a script are gone, or, for a run folder of an earlier version, repeat its "
            "compare, which adds it and trains nothing again"
        )
    options = msgspec.structs.asdict(loading)
    source = options.pop("source")
    if folder is not None and source not in (*EMBEDDED, *ALIASES):
        source = os.path.join(folder, source)  # noqa: PTH118 - keeps the "./" that tells a folder from a name
    dataset = load_dataset(source, **options)
    if dataset.card.sha256 != card.sha256:
        raise DataError(f"{shown(source)}: {_changes(card, dataset.card)}; expected the data of the record")
    return dataset


def _check_task(dataset: Dataset, name: str, task: Task | None) -> None:
    if task not in (None, dataset.card.task):
        kind = f"is a data set to {dataset.card.task}, not to {task}"
        raise DataError(f"{shown(name)}: {kind}: give other data, or another ", Setting("task"))


def _changes(before_card: DataCard, after_card: DataCard) -> str:
    """Describes how data differ from those of an earlier card."""
    changes = [
        f"{name} {before} before, {after} now"
        for name, before, after in (
            ("classes", listed([*before_card.classes]), listed([*after_card.classes])),
            ("shape", times(before_card.shape), times(after_card.shape)),
            *((part, getattr(before_card, part), getattr(after_card, part)) for part in PARTS),
        )
        if before != after
    ]
    return f"the data have changed since: {'; '.join(changes) or 'other values, labels or another order'}"


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # a file name of any bytes, which no record could hold
        return False
    return True


def _load(
    text: str,
    size: Size | None,
    split_seed: int,
    skip_broken: bool,
    layout: str | None,
    task: Task | None,
) -> Dataset:
    name = ALIASES.get(text, text)
    if name in EMBEDDED:
        _needs_arrays(layout, f"embedded set {name}")
        return load_embedded(name, source=text, size=size, split_seed=split_seed)
    path = Path(text)
    if _is_folder(path, text):
        if (path / "study.json").is_file():
            raise DataError(
                f"{shown(text)} is a run folder, which holds results; give the data that it was made of, or report it"
            )
        _needs_arrays(layout, f"folder {shown(text)}")
        if task == "classify":
            refuse_to_classify(path)
        masked = task == "segment" or (task is None and has_masks(path))
        reader = load_masked if masked else load_folder
    else:
        reader = partial(load_npz, layout=layout)
    try:
        return reader(path, source=shown(text), size=size, split_seed=split_seed, skip_broken=skip_broken)
    except MemoryError as error:
        raise DataError(
            f"{shown(text)}: does not fit into memory: pass a smaller ",
            Setting("image_size"),
            " or give less",
        ) from error


def _size(image_size: int | Sequence[int] | None) -> Size | None:
    """Returns `image_size` in the form that records keep. Raises OptionError for what is no size."""
    if image_size is None:
        return None
    axes = tuple(image_size) if isinstance(image_size, list | tuple) else (image_size,)
    whole = [n for n in axes if isinstance(n, int) and _is_whole(n) and SIZES[0] <= n <= SIZES[1]]
    if not 1 <= len(axes) <= 3 or len(whole) < len(axes):
        raise OptionError(
            "image_size",
            image_size,
            f"expected a whole number of pixels from {SIZES[0]} to {SIZES[1]:,}, or height and width",
        )
    return tuple(whole) if isinstance(image_size, list | tuple) else whole[0]


def _needs_arrays(layout: str | None, source: str) -> None:
    if layout is not None:
        raise OptionError(
            "layout", layout, f"goes with a .npz file; the {source} needs none, so leave it out"
        )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_folder(path: Path, text: str) -> bool:
    """Returns true for a folder, false for a .npz file. Raises DataError for all else."""
    names = [*EMBEDDED, *ALIASES]
    takes = f"{TAKES} ({', '.join(EMBEDDED)})"
    try:
        # Path("") would be the working directory
        mode = path.stat().st_mode if text else 0
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        if not isinstance(error, FileNotFoundError | NotADirectoryError | ValueError):
            raise DataError(f"{shown(text)}: cannot be read: {error.strerror}; expected {takes}") from error
        mode = 0
    if stat.S_ISDIR(mode):
        return True
    if stat.S_ISREG(mode) and path.suffix.lower() == ".npz":
        return False
    if mode and not stat.S_ISREG(mode):
        raise DataError(f"{shown(text)}: is a device, pipe or socket; expected {takes}")
    if mode:
        kind = f"a {path.suffix} file" if path.suffix else "a file"
        raise DataError(f"{shown(text)}: is {shown(kind)}, which cannot be read as data; expected {takes}")
    close = [repr(name) for name in [*get_close_matches(text.lower(), names, n=1), *_beside(path, text)]]
    hint = (
        f"; did you mean {listed(close, 'or')}?" if close else f"; the embedded data sets are {listed(names)}"
    )
    raise DataError(f"{text!r}: there is no such folder, file or embedded data set; expected {TAKES}{hint}")


def _beside(path: Path, text: str) -> list[str]:
    """Returns the folder or .npz file with the name nearest to the last part of `path`, whose parent folder exists."""
    try:
        entries = [entry for entry in path.parent.iterdir() if not entry.name.startswith(".")]
        usable = [entry.name for entry in entries if entry.is_dir() or entry.suffix.lower() == ".npz"]
    except (OSError, ValueError):
        return []
    of_name = {name.casefold().removesuffix(".npz"): name for name in usable}
    close = get_close_matches(path.name.casefold().removesuffix(".npz"), [*of_name], n=1)
    before = text.rstrip("/\\").removesuffix(path.name)
    near = [before + of_name[name] for name in close]
    return [f"./{name}" if name in (*EMBEDDED, *ALIASES) else name for name in near]

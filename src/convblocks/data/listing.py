"""Which files of a folder are which class of which part, without opening any of them.

    photos/cat/1.png, photos/dog/a/2.png          classes cat and dog
    photos/train/cat/1.png, photos/test/cat/…     parts, each with one folder per class

A part is called train, val or test, or a longer form of that (PART_NAMES), in any case. Images are
files with one of SUFFIXES, at any depth below their class. Names beginning with a dot are hidden.
Links to files are followed; links to folders only at the level of parts and classes.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from convblocks.data.images import SUFFIXES
from convblocks.data.words import counted, listed, shown
from convblocks.errors import DataError

PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
ONE_PER_CLASS = "expected one folder per class, as in cat/1.png and dog/2.png"


class Listing(NamedTuple):
    """`parts[part][class]`: its image files, sorted; part is "all", or "train", "validation", "test"."""

    parts: dict[str, dict[str, list[Path]]]
    ignored: int  # files that are no images, or lie outside the class folders
    unused: tuple[str, ...]  # folders beside the parts


def find_images(root: Path) -> Listing:
    """List the folder. Raises DataError for a layout that is none of the two above."""
    with listing_errors(root):
        return _find(root)


@contextmanager
def listing_errors(root: Path) -> Iterator[None]:
    """A folder that cannot be read becomes a DataError."""
    try:
        yield
    except OSError as error:
        place = shown(error.filename or root)
        raise DataError(
            f"{place}: the folder cannot be read: {error.strerror}; mend that or move it away"
        ) from error


def _find(root: Path) -> Listing:
    folders, loose = children(root)
    roles: dict[str, list[Path]] = {}
    for folder in folders:
        if part := PART_NAMES.get(folder.name.casefold()):
            roles.setdefault(part, []).append(folder)
    if len(folders) == 1 and "train" in roles and children(folders[0])[0]:
        return _find(folders[0])  # nothing but a train folder: it is all there is
    if "train" in roles and len(roles) > 1:
        return _parts(root, folders, loose, roles)
    if len(folders) == 2 and roles.keys() == {"validation", "test"}:
        names = " and ".join(f"{folder.name}/" for folder in folders)
        raise DataError(f"{shown(root)}: holds {names} but no train/: add it, or give one of them alone")
    classes, ignored = _classes(root)  # among them, it may be, one that is called "train" or "test"
    _check_two(root, classes)
    return Listing({"all": classes}, ignored, ())


def _parts(root: Path, folders: list[Path], loose: list[Path], roles: dict[str, list[Path]]) -> Listing:
    parts = {}
    ignored = len(loose)
    for part, (folder, *more) in roles.items():
        if more:
            names = f"{folder.name}/ and {more[0].name}/"
            raise DataError(f"{shown(root)}: holds {names} for one part: keep one of them")
        parts[part], others = _classes(folder)
        ignored += others
    _check_two(roles["train"][0], parts["train"])
    unused = tuple(f.name for f in folders if f.name.casefold() not in PART_NAMES)
    return Listing(parts, ignored, unused)


def _classes(folder: Path) -> tuple[dict[str, list[Path]], int]:
    """Class name → image files, and how many files are left over."""
    folders, loose = children(folder)
    if not folders:
        images = sum(path.suffix.lower() in SUFFIXES for path in loose)
        found = f"{counted(images, 'image')} in no class folder" if images else "neither folders nor images"
        raise DataError(f"{shown(folder)}: holds {found}; {ONE_PER_CLASS}")
    ignored = len(loose)
    classes = {}
    for child in folders:
        images_in_class, others = files_below(child, SUFFIXES)
        if not images_in_class:
            kinds = Counter(path.suffix.lower() or "without a suffix" for path in others)
            seen = f" but {listed([f'{n} {kind}' for kind, n in kinds.most_common()])}" if others else ""
            raise DataError(
                f"{shown(child)}: the class folder holds no images{seen}: add some ({', '.join(SUFFIXES)}) "
                f"or delete the folder"
            )
        classes[child.name] = images_in_class
        ignored += len(others)
    return classes, ignored


def _check_two(folder: Path, classes: dict[str, list[Path]]) -> None:
    if len(classes) == 1:
        (only,) = classes
        raise DataError(
            f"{shown(folder)}: holds one class only, {only!r}, and to classify takes two; {ONE_PER_CLASS}; "
            f"if the class folders are inside {shown(only)}, give {shown(folder / only)}"
        )


def children(folder: Path) -> tuple[list[Path], list[Path]]:
    """Folders and files directly in `folder`, sorted by name, without hidden ones."""
    folders: list[Path] = []
    files: list[Path] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _hidden(entry.name):
                (folders if entry.is_dir() else files).append(Path(entry.path))
    return sorted(folders, key=Path.as_posix), sorted(files, key=Path.as_posix)


def files_below(folder: Path, suffixes: tuple[str, ...]) -> tuple[list[Path], list[Path]]:
    """All files below `folder` with such a suffix, sorted by their path inside it, and all other files."""
    images: list[Path] = []
    others: list[Path] = []
    for place, subfolders, names in os.walk(folder, onerror=_raise):
        subfolders[:] = [name for name in subfolders if not _hidden(name)]
        for name in names:
            path = Path(place, name)
            if not _hidden(name):
                (images if path.suffix.lower() in suffixes else others).append(path)
    return sorted(images, key=Path.as_posix), others


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"  # the shadow folder macOS leaves in zip files


def _raise(error: OSError) -> None:
    raise error

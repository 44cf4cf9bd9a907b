"""Which files of a folder are which class of which part, without opening any of them.

    photos/cat/1.png, photos/dog/a/2.png          classes cat and dog
    photos/train/cat/1.png, photos/test/cat/…     parts, each with one folder per class

A part is called train, val or test, another word for that (PART_NAMES), or that with a word of no meaning
(training_set, seg_test), in any case; a folder called so whose images lie in it directly is a class. Where class
folders hold the parts, cat/train/1.png, it is read the other way round. What could be read in two ways is refused.
Images are files with one of SUFFIXES, at any depth below their class. Names beginning with a dot are hidden.
Links to files are followed; links to folders only at the level of parts and classes.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from convblocks.data.images import SUFFIXES
from convblocks.errors import DataError
from convblocks.text import listed, plural, shown

PART_NAMES = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "validation",
    "valid": "validation",
    "validate": "validation",
    "validation": "validation",
    "dev": "validation",
    "devel": "validation",
    "development": "validation",
    "test": "test",
    "tst": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
    "holdout": "test",
}
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages")
ONE_PER_CLASS = "expected one folder per class, as in cat/1.png and dog/2.png"


class Listing(NamedTuple):
    """`parts[part][class]`: its image files, sorted; part is "all", or "train", "validation", "test"."""

    parts: dict[str, dict[str, list[Path]]]
    ignored: int  # files that are no images, or lie outside the class folders
    unused: tuple[str, ...]  # folders beside the parts
    notes: tuple[str, ...] = ()  # how folders were read whose names do not say it plainly


def part_of(name: str) -> str | None:
    """The part that a folder's name stands for.

    >>> part_of("Train"), part_of("training_set"), part_of("testset"), part_of("bus")
    ('train', 'train', 'test', None)
    """
    words = re.findall(r"[a-z]+", name.casefold())
    for word in words:
        found = PART_NAMES.get(word) or PART_NAMES.get(re.sub("(set|data)$", "", word))
        if found:
            return found
    return None


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
            f"{place}: the folder cannot be read: {error.strerror}; fix that or move it away"
        ) from error


def _find(root: Path) -> Listing:
    folders, loose = children(root)
    if len(folders) == 1 and part_of(folders[0].name) == "train" and children(folders[0])[0]:
        return _find(folders[0])  # nothing but a train folder: it is all there is
    holders = [folder for folder in folders if _holds_folders(folder)]
    if holders == folders and not any(part_of(folder.name) for folder in folders):
        inner = _inner_names(folders)
        if _are_parts(inner) and len(folders) == 1:
            found = _find(folders[0])
            return found._replace(notes=(f"read from {shown(folders[0].name)}/ inside", *found.notes))
        if _are_parts(inner):
            return _parts_within_classes(folders, len(loose), sorted(inner))
    roles = _roles(root, [f for f in folders if f in holders or f.name.casefold() in PART_NAMES])
    if "train" in roles and len(roles) > 1:
        return _parts(root, folders, loose, roles)
    _check_part_names(root, folders, holders)
    classes, ignored = _classes(root)
    _check_two(root, classes)
    _check_class_names(root, folders, holders)
    notes = [f"{shown(name)}/ read as a class, not as a part" for name in classes if part_of(name) == "train"]
    return Listing({"all": classes}, ignored, (), tuple(notes))


def _roles(root: Path, folders: list[Path]) -> dict[str, Path]:
    """Part → its folder; "eval" is the test part, or beside one the validation part."""
    roles: dict[str, Path] = {}
    of_name = {folder: part for folder in folders if (part := part_of(folder.name))}
    for folder, part in of_name.items():
        others = [other for other, its in of_name.items() if its == part and other != folder]
        if others and "eval" in folder.name.casefold() and "validation" not in of_name.values():
            part = "validation"
        if part in roles:
            names = f"{shown(roles[part].name)}/ and {shown(folder.name)}/"
            raise DataError(f"{shown(root)}: holds {names} for one part: keep one of them")
        roles[part] = folder
    return roles


def _holds_folders(folder: Path) -> bool:
    """Whether it holds folders and no images beside them, as a part does, and a class in many folders."""
    inside, loose = children(folder)
    return bool(inside) and not any(path.suffix.lower() in SUFFIXES for path in loose)


def _inner_names(folders: list[Path]) -> set[str]:
    return {inner.name for folder in folders for inner in children(folder)[0]}


def _are_parts(names: set[str]) -> bool:
    return len(names) > 1 and all(part_of(name) for name in names) and "train" in map(part_of, names)


def _parts_within_classes(classes: list[Path], ignored: int, names: list[str]) -> Listing:
    """cat/train/1.png, cat/test/1.png, dog/train/1.png, …"""
    parts: dict[str, dict[str, list[Path]]] = {}
    for folder in classes:
        inside, loose = children(folder)
        ignored += len(loose)
        for part, place in _roles(folder, inside).items():
            images, others = files_below(place, SUFFIXES)
            parts.setdefault(part, {})[folder.name] = images
            ignored += len(others)
    told = listed([f"{shown(name)}/" for name in names])
    return Listing(parts, ignored, (), (f"{told} inside the class folders read as the parts",))


def _parts(root: Path, folders: list[Path], loose: list[Path], roles: dict[str, Path]) -> Listing:
    parts = {}
    ignored = len(loose)
    notes = [
        f"{shown(folder.name)}/ read as the {part} part"
        for part, folder in roles.items()
        if folder.name.casefold() not in (part, "val", "valid", "training", "testing")
    ]
    for part, folder in roles.items():
        inside, beside = children(folder)
        if len(inside) == 1 and _holds_folders(inside[0]):  # seg_train/seg_train/cat, as archives unpack
            folder, ignored = inside[0], ignored + len(beside)
            notes.append(f"the {part} part read from {shown(folder.relative_to(root))}/")
        parts[part], others = _classes(folder)
        ignored += others
    _check_two(roles["train"], parts["train"])
    unused = tuple(f.name for f in folders if f not in roles.values())
    return Listing(parts, ignored, unused, tuple(notes))


def _check_part_names(root: Path, folders: list[Path], holders: list[Path]) -> None:
    """Refuse folders called like parts that would become classes, but for one called "train" of images."""
    named = [folder for folder in folders if folder in holders and part_of(folder.name)]
    named += [
        folder
        for folder in folders
        if folder not in named and PART_NAMES.get(folder.name.casefold(), "train") != "train"
    ]
    if not named or len(folders) == 1:
        return
    names = listed([f"{shown(folder.name)}/" for folder in named])
    if len(named) == len(folders) and "train" not in map(part_of, [folder.name for folder in folders]):
        raise DataError(f"{shown(root)}: holds {names} but no train/: add it, or give one of them alone")
    others = listed([f"{shown(folder.name)}/" for folder in folders if folder not in named])
    raise DataError(
        f"{shown(root)}: {names} is called like a part, but {others} beside it is none: move the class folders to "
        f"train on into train/, or rename {names} if it is a class, e.g. to {shown(named[0].name)}_class"
    )


def _check_class_names(root: Path, folders: list[Path], holders: list[Path]) -> None:
    """Refuse folders of images with something else beside, and parts with names of one's own."""
    for folder in folders:
        if folder.name.casefold() in IMAGE_FOLDERS and {f.name for f in folders} != {"images", "masks"}:
            raise DataError(
                f"{shown(folder)}: looks like a folder of all images, not like a class: to segment, name the folders "
                f"images/ and masks/, with files of the same names; to classify, {ONE_PER_CLASS}"
            )
    inside = [{inner.name for inner in children(folder)[0]} for folder in holders]
    if len(holders) == len(folders) and len(inside[0]) > 1 and all(names == inside[0] for names in inside):
        names, inner = (
            listed([f"{shown(name)}/" for name in found])
            for found in ([folder.name for folder in folders], sorted(inside[0]))
        )
        raise DataError(
            f"{shown(root)}: {names} each hold {inner}: if these are the classes, call the outer folders train/, "
            f"validation/ and test/, or give one of them; if the outer ones are the classes, move the images of each "
            f"directly into it"
        )


def _classes(folder: Path) -> tuple[dict[str, list[Path]], int]:
    """Class name → image files, and how many files are left over."""
    folders, loose = children(folder)
    if not folders:
        images = sum(path.suffix.lower() in SUFFIXES for path in loose)
        found = f"{plural(images, 'image')} in no class folder" if images else "neither folders nor images"
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

"""Finds the image files of each class and part of a folder, without opening any of them.

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
    """The image files of a folder, sorted: `parts[part][class]`; part is "all", or "train", "validation", "test".

    Attributes:
        ignored: number of files that are no images, or lie outside the class folders.
        unused: names of folders beside the parts.
        notes: sentences on folders whose names do not say plainly what they are.
    """

    parts: dict[str, dict[str, list[Path]]]
    ignored: int
    unused: tuple[str, ...]
    notes: tuple[str, ...] = ()


def part_of(name: str) -> str | None:
    """Returns the part that a folder's name stands for; None for a name of no part.

    >>> part_of("Train"), part_of("training_set"), part_of("testset"), part_of("bus")
    ('train', 'train', 'test', None)
    """
    tokens = re.findall(r"[a-z]+", name.casefold())
    for token in tokens:
        part = PART_NAMES.get(token) or PART_NAMES.get(re.sub("(set|data)$", "", token))
        if part:
            return part
    return None


def find_images(root: Path) -> Listing:
    """Lists the images of a folder. Raises DataError for a layout that is none of the two above."""
    with listing_errors(root):
        return _find(root)


@contextmanager
def listing_errors(root: Path) -> Iterator[None]:
    """Turns the OSError of a folder that cannot be read into a DataError."""
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
        # nothing but a train folder: it is all there is
        return _find(folders[0])
    holders = [folder for folder in folders if _holds_folders(folder)]
    if holders == folders and not any(part_of(folder.name) for folder in folders):
        inner = _inner_names(folders)
        if _are_parts(inner) and len(folders) == 1:
            listing = _find(folders[0])
            return listing._replace(notes=(f"read from {shown(folders[0].name)}/ inside", *listing.notes))
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
    """Returns the folder of each part; "eval" is the test part, or beside one the validation part."""
    roles: dict[str, Path] = {}
    part_of_folder = {folder: part for folder in folders if (part := part_of(folder.name))}
    for folder, part in part_of_folder.items():
        rivals = [rival for rival, role in part_of_folder.items() if role == part and rival != folder]
        if rivals and "eval" in folder.name.casefold() and "validation" not in part_of_folder.values():
            part = "validation"
        if part in roles:
            names = f"{shown(roles[part].name)}/ and {shown(folder.name)}/"
            raise DataError(f"{shown(root)}: holds {names} for one part: keep one of them")
        roles[part] = folder
    return roles


def _holds_folders(folder: Path) -> bool:
    """Returns true where it holds folders and no images beside them, as a part does, and a class in many folders."""
    inside, loose = children(folder)
    return bool(inside) and not any(path.suffix.lower() in SUFFIXES for path in loose)


def _inner_names(folders: list[Path]) -> set[str]:
    return {inner.name for folder in folders for inner in children(folder)[0]}


def _are_parts(names: set[str]) -> bool:
    return len(names) > 1 and all(part_of(name) for name in names) and "train" in map(part_of, names)


def _parts_within_classes(classes: list[Path], ignored: int, names: list[str]) -> Listing:
    """Lists folders in which each class holds the parts: cat/train/1.png, cat/test/1.png, dog/train/1.png."""
    parts: dict[str, dict[str, list[Path]]] = {}
    for folder in classes:
        inside, loose = children(folder)
        ignored += len(loose)
        for part, place in _roles(folder, inside).items():
            images, other_files = files_below(place, SUFFIXES)
            parts.setdefault(part, {})[folder.name] = images
            ignored += len(other_files)
    inner = listed([f"{shown(name)}/" for name in names])
    return Listing(parts, ignored, (), (f"{inner} inside the class folders read as the parts",))


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
        # seg_train/seg_train/cat, as archives unpack
        if len(inside) == 1 and _holds_folders(inside[0]):
            folder, ignored = inside[0], ignored + len(beside)
            notes.append(f"the {part} part read from {shown(folder.relative_to(root))}/")
        parts[part], other_files = _classes(folder)
        ignored += other_files
    _check_two(roles["train"], parts["train"])
    unused = tuple(f.name for f in folders if f not in roles.values())
    return Listing(parts, ignored, unused, tuple(notes))


def _check_part_names(root: Path, folders: list[Path], holders: list[Path]) -> None:
    """Refuses folders called like parts that would become classes, but for one called "train" of images."""
    like_parts = [folder for folder in folders if folder in holders and part_of(folder.name)]
    like_parts += [
        folder
        for folder in folders
        if folder not in like_parts and PART_NAMES.get(folder.name.casefold(), "train") != "train"
    ]
    if not like_parts or len(folders) == 1:
        return
    names = listed([f"{shown(folder.name)}/" for folder in like_parts])
    if len(like_parts) == len(folders) and "train" not in map(part_of, [folder.name for folder in folders]):
        raise DataError(f"{shown(root)}: holds {names} but no train/: add it, or give one of them alone")
    like_classes = listed([f"{shown(folder.name)}/" for folder in folders if folder not in like_parts])
    raise DataError(
        f"{shown(root)}: {names} is called like a part, but {like_classes} beside it is none: move the class "
        f"folders to train on into train/, or rename {names} if it is a class, e.g. to "
        f"{shown(like_parts[0].name)}_class"
    )


def _check_class_names(root: Path, folders: list[Path], holders: list[Path]) -> None:
    """Refuses folders of images with something else beside, and parts with names of one's own."""
    for folder in folders:
        if folder.name.casefold() in IMAGE_FOLDERS and {f.name for f in folders} != {"images", "masks"}:
            raise DataError(
                f"{shown(folder)}: looks like a folder of all images, not like a class: to segment, name the folders "
                f"images/ and masks/, with files of the same names; to classify, {ONE_PER_CLASS}"
            )
    inside = [{inner.name for inner in children(folder)[0]} for folder in holders]
    if len(holders) == len(folders) and len(inside[0]) > 1 and all(names == inside[0] for names in inside):
        names, inner = (
            listed([f"{shown(name)}/" for name in folder_names])
            for folder_names in ([folder.name for folder in folders], sorted(inside[0]))
        )
        raise DataError(
            f"{shown(root)}: {names} each hold {inner}: if these are the classes, call the outer folders train/, "
            f"validation/ and test/, or give one of them; if the outer ones are the classes, move the images of each "
            f"directly into it"
        )


def _classes(folder: Path) -> tuple[dict[str, list[Path]], int]:
    """Returns the image files of each class, and the number of other files."""
    folders, loose = children(folder)
    if not folders:
        images = sum(path.suffix.lower() in SUFFIXES for path in loose)
        content = f"{plural(images, 'image')} in no class folder" if images else "neither folders nor images"
        raise DataError(f"{shown(folder)}: holds {content}; {ONE_PER_CLASS}")
    ignored = len(loose)
    classes = {}
    for child in folders:
        images_in_class, other_files = files_below(child, SUFFIXES)
        if not images_in_class:
            kinds = Counter(path.suffix.lower() or "without a suffix" for path in other_files)
            content = (
                f" but {listed([f'{n} {kind}' for kind, n in kinds.most_common()])}" if other_files else ""
            )
            raise DataError(
                f"{shown(child)}: the class folder holds no images{content}: add some ({', '.join(SUFFIXES)}) "
                f"or delete the folder"
            )
        classes[child.name] = images_in_class
        ignored += len(other_files)
    return classes, ignored


def _check_two(folder: Path, classes: dict[str, list[Path]]) -> None:
    if len(classes) == 1:
        (only,) = classes
        raise DataError(
            f"{shown(folder)}: holds one class only, {only!r}, and to classify takes two; {ONE_PER_CLASS}; "
            f"if the class folders are inside {shown(only)}, give {shown(folder / only)}"
        )


def children(folder: Path) -> tuple[list[Path], list[Path]]:
    """Returns folders and files directly in `folder`, sorted by name, without hidden ones."""
    folders: list[Path] = []
    files: list[Path] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _hidden(entry.name):
                (folders if entry.is_dir() else files).append(Path(entry.path))
    return sorted(folders, key=Path.as_posix), sorted(files, key=Path.as_posix)


def files_below(folder: Path, suffixes: tuple[str, ...]) -> tuple[list[Path], list[Path]]:
    """Returns all files below `folder` with such a suffix, sorted by their path inside it, and all other files."""
    matching: list[Path] = []
    other_files: list[Path] = []
    for place, subfolders, names in os.walk(folder, onerror=_raise):
        subfolders[:] = [name for name in subfolders if not _hidden(name)]
        for name in names:
            path = Path(place, name)
            if not _hidden(name):
                (matching if path.suffix.lower() in suffixes else other_files).append(path)
    return sorted(matching, key=Path.as_posix), other_files


def _hidden(name: str) -> bool:
    # the shadow folder macOS leaves in zip files
    return name.startswith(".") or name == "__MACOSX"


def _raise(error: OSError) -> None:
    raise error

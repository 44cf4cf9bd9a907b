"""Which layouts are understood, and what is said of those that are not."""

import os
from pathlib import Path

import pytest

from convblocks.data.listing import find_images
from convblocks.errors import DataError


def tree(root: Path, *files: str) -> Path:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def relative(root: Path, listing) -> dict:
    return {
        part: {name: [p.relative_to(root).as_posix() for p in paths] for name, paths in classes.items()}
        for part, classes in listing.parts.items()
    }


def test_classes_are_folders_and_files_are_found_below_them(tmp_path):
    tree(tmp_path, "b/2.png", "b/10.JPG", "b/deep/er/1.tiff", "a/x.webp", "a/.hidden.png", "a/notes.txt")
    tree(tmp_path, ".git/x.png", "__MACOSX/a/x.png", "readme.md", "b/.cache/1.png")
    listing = find_images(tmp_path)
    assert relative(tmp_path, listing) == {
        "all": {"a": ["a/x.webp"], "b": ["b/10.JPG", "b/2.png", "b/deep/er/1.tiff"]}
    }
    assert list(listing.parts["all"]) == ["a", "b"]
    assert listing.ignored == 2  # notes.txt and readme.md
    assert listing.unused == ()


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("train", "test"), {"train", "test"}),
        (("Training", "TESTING"), {"train", "test"}),
        (("train", "val"), {"train", "validation"}),
        (("train", "valid", "test"), {"train", "validation", "test"}),
        (("train", "validation", "test"), {"train", "validation", "test"}),
    ],
)
def test_parts(tmp_path, names, parts):
    tree(tmp_path, *(f"{part}/{c}/1.png" for part in names for c in "ab"))
    listing = find_images(tmp_path)
    assert set(listing.parts) == parts
    assert all(list(classes) == ["a", "b"] for classes in listing.parts.values())


def test_a_part_may_lack_a_class_but_not_be_flat(tmp_path):
    tree(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png")
    assert list(find_images(tmp_path).parts["test"]) == ["a"]
    tree(tmp_path, "val/1.png")
    with pytest.raises(
        DataError, match=r"/val: holds 1 image in no class folder; expected one folder per class"
    ):
        find_images(tmp_path)


def test_folders_beside_the_parts_are_reported(tmp_path):
    tree(tmp_path, *(f"{part}/{c}/1.png" for part in ("train", "test", "extra") for c in "ab"))
    assert find_images(tmp_path).unused == ("extra",)


def test_a_lone_train_folder_is_all_there_is(tmp_path):
    tree(tmp_path, "train/a/1.png", "train/b/1.png")
    assert relative(tmp_path, find_images(tmp_path)) == {
        "all": {"a": ["train/a/1.png"], "b": ["train/b/1.png"]}
    }


def test_classes_may_be_called_like_parts(tmp_path):
    tree(tmp_path, "train/1.png", "plane/1.png", "car/1.png")
    assert list(find_images(tmp_path).parts["all"]) == ["car", "plane", "train"]


@pytest.mark.skipif(os.name == "nt", reason="Windows allows fewer names")
def test_class_names_are_kept(tmp_path):
    names = ["<script>", "a b", "naïve", "line\nbreak", "ネコ"]
    tree(tmp_path, *(f"{name}/1.png" for name in names))
    assert list(find_images(tmp_path).parts["all"]) == sorted(names)


REFUSED = {
    "images without classes": (
        ["1.png", "2.png"],
        r"holds 2 images in no class folder; expected one folder per class",
    ),
    "nothing": ([], "holds neither folders nor images"),
    "other files": (["a.csv"], "holds neither folders nor images"),
    "one class": (
        ["cat/1.png"],
        r"holds one class only, 'cat'.*if the class folders are inside cat, give .*/cat$",
    ),
    "one class to train on": (
        ["train/a/1.png", "test/a/1.png", "test/b/1.png"],
        r"/train: holds one class only, 'a'",
    ),
    "an empty class": (
        ["cat/1.png", "dog/1.png", "bird/.keep"],
        r"/bird: the class folder holds no images: add",
    ),
    "a class of other files": (
        ["cat/1.png", "dog/1.png", "bird/1.heic", "bird/2.heic", "bird/x"],
        r"/bird: .* holds no images but 2 \.heic and 1 without a suffix: add some \(\.bmp, ",
    ),
    "no train": (["val/a/1.png", "test/a/1.png"], r"holds test/ and val/ but no train/: add it"),
    "a part twice": (
        ["train/a/1.png", "val/a/1.png", "valid/a/1.png"],
        r"holds val/ and valid/ for one part",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_layouts_are_refused(tmp_path, case):
    files, message = REFUSED[case]
    with pytest.raises(DataError, match=message) as caught:
        find_images(tree(tmp_path, *files))
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_links_to_folders_cannot_make_a_loop(tmp_path):
    tree(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a/again").symlink_to(tmp_path / "a")
    assert len(find_images(tmp_path).parts["all"]["a"]) == 1
    (tmp_path / "self").symlink_to(tmp_path / "self")
    with pytest.raises(DataError, match=r"/self: the folder cannot be read: .*symbolic links"):
        find_images(tmp_path)


def test_a_class_may_be_a_link(tmp_path):
    tree(tmp_path, "store/x/1.png", "photos/a/1.png")
    (tmp_path / "photos/b").symlink_to(tmp_path / "store/x")
    assert len(find_images(tmp_path / "photos").parts["all"]["b"]) == 1


def test_an_unreadable_folder_is_named(tmp_path, monkeypatch):
    """At any depth. Root may read everything, so the right is taken away inside the functions."""
    tree(tmp_path, "a/1.png", "a/b/2.png", "b/1.png")
    scandir = os.scandir

    def refuse(folder):
        if Path(folder) == locked:
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    for locked in (tmp_path, tmp_path / "a", tmp_path / "a/b"):
        with pytest.raises(DataError, match=rf"^{locked}: the folder cannot be read: Permission denied"):
            find_images(tmp_path)

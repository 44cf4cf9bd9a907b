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
    "a part and other folders in each class": (
        [f"{c}/{inner}/1.png" for c in ("cat", "dog") for inner in ("train", "night")],
        r"cat/ and dog/ each hold night/ and train/",
    ),
    "parts without train in each class": (
        [f"{c}/{inner}/1.png" for c in ("cat", "dog") for inner in ("val", "test")],
        r"cat/ and dog/ each hold test/ and val/",
    ),
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


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (("training_set", "test_set"), {"train", "test"}),
        (("trainset", "TestSet"), {"train", "test"}),
        (("seg_train", "seg_test"), {"train", "test"}),
        (("Train", "dev"), {"train", "validation"}),
        (("train-images", "validation-images", "test-images"), {"train", "validation", "test"}),
        (("train", "dev", "eval"), {"train", "validation", "test"}),
        (("train", "eval", "test"), {"train", "validation", "test"}),
        (("01_train", "02_val", "03_test"), {"train", "validation", "test"}),
        (("train2017", "val2017"), {"train", "validation"}),
    ],
)
def test_parts_under_other_names(tmp_path, names, parts):
    tree(tmp_path, *(f"{part}/{c}/1.png" for part in names for c in "ab"))
    listing = find_images(tmp_path)
    assert set(listing.parts) == parts
    assert all(list(classes) == ["a", "b"] for classes in listing.parts.values())
    for name in names:
        plain = name.casefold() in ("train", "test")
        assert any(f"{name}/ read as the " in note for note in listing.notes) == (not plain)


def test_parts_that_an_archive_nested_twice(tmp_path):
    tree(tmp_path, *(f"seg_{part}/seg_{part}/{c}/1.png" for part in ("train", "test") for c in "ab"))
    listing = find_images(tmp_path)
    assert {part: list(found) for part, found in listing.parts.items()} == {
        "train": ["a", "b"],
        "test": ["a", "b"],
    }
    assert "the train part read from seg_train/seg_train/" in listing.notes


def test_parts_inside_one_folder(tmp_path):
    tree(tmp_path, *(f"archive/{part}/{c}/1.png" for part in ("train", "test") for c in "ab"))
    listing = find_images(tmp_path)
    assert set(listing.parts) == {"train", "test"}
    assert listing.notes == ("read from archive/ inside",)


def test_parts_inside_the_classes(tmp_path):
    tree(tmp_path, *(f"{c}/{part}/1.png" for part in ("train", "test") for c in ("cat", "dog")))
    listing = find_images(tmp_path)
    assert relative(tmp_path, listing) == {
        part: {c: [f"{c}/{part}/1.png"] for c in ("cat", "dog")} for part in ("train", "test")
    }
    assert listing.notes == ("test/ and train/ inside the class folders read as the parts",)


@pytest.mark.parametrize("word", ["bullet_train", "test_tube", "training shoe", "evaluation board"])
def test_a_class_whose_name_holds_a_part_s(tmp_path, word):
    tree(tmp_path, f"{word}/1.png", "car/1.png")
    assert set(find_images(tmp_path).parts["all"]) == {"car", word}


def test_a_class_called_train_is_said(tmp_path):
    tree(tmp_path, "train/1.png", "plane/1.png")
    assert find_images(tmp_path).notes == ("train/ read as a class, not as a part",)


AMBIGUOUS = {
    "a class called test": (
        ["cat/1.png", "dog/1.png", "test/1.png"],
        "test/ is called like a part, but cat/ and dog/",
    ),
    "classes beside a test part": (
        ["cat/1.png", "dog/1.png", "test/cat/1.png", "test/dog/1.png"],
        "test/ is called like a part, .*move the class folders to train on into train/",
    ),
    "a train part beside a folder of its own": (
        ["train/a/1.png", "train/b/1.png", "sample/1.png"],
        "train/ is called like a part, but sample/ beside it is none",
    ),
    "parts by other words, without train": (
        ["dev/a/1.png", "dev/b/1.png", "eval/a/1.png", "eval/b/1.png"],
        "holds dev/ and eval/ but no train/",
    ),
    "parts with names of one's own": (
        [f"site{i}/{c}/1.png" for i in (1, 2) for c in ("ok", "nok")],
        r"site1/ and site2/ each hold nok/ and ok/: if these are the classes",
    ),
    "images and labels": (
        ["images/1.png", "labels/1.png"],
        r"images: looks like a folder of all images.*masks/",
    ),
    "images and annotations": (
        ["JPEGImages/1.jpg", "SegmentationClass/1.png"],
        "JPEGImages: looks like a folder",
    ),
    "images beside other files": (["images/1.png", "labels.csv"], "one class only, 'images'"),
    "a folder inside a folder": (
        ["archive/cat/1.png", "archive/dog/1.png"],
        "holds one class only, .*give .*/archive$",
    ),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_folders_that_could_be_read_in_two_ways_are_refused(tmp_path, case):
    files, message = AMBIGUOUS[case]
    with pytest.raises(DataError, match=message) as caught:
        find_images(tree(tmp_path, *files))
    assert "\n" not in str(caught.value)

"""Folders as data sets: pixels under the right labels, parts, sizes, broken files."""

import threading
import time

import numpy as np
import pytest
from PIL import Image

from convblocks.data import folder, load_dataset, memory
from convblocks.errors import DataError


def examples(data) -> dict[bytes, str]:
    """Pixels of every example of all parts → class name."""
    return {
        x.tobytes(): data.card.classes[label]
        for part in (data.train, data.validation, data.test)
        for x, label in zip(part.x, part.y, strict=True)
    }


def break_file(path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def test_every_image_arrives_once_under_its_class(photos):
    data = load_dataset(str(photos))
    expected = {}
    for path in photos.rglob("*.png"):
        with Image.open(path) as image:
            expected[np.asarray(image).transpose(2, 0, 1).tobytes()] = path.parent.name
    assert len(expected) == 12
    assert examples(data) == expected
    assert [len(part) for part in (data.train, data.validation, data.test)] == [7, 3, 2]
    for part in (data.train, data.validation, data.test):
        assert set(part.y.tolist()) == {0, 1}
        assert part.x.flags.c_contiguous
        assert (part.x.dtype, part.y.dtype) == (np.uint8, np.int64)


def test_card(photos):
    card = load_dataset(str(photos), split_seed=5).card
    assert (card.name, card.source, card.classes) == ("photos", str(photos), ("cat", "dog"))
    assert card.shape == (3, 12, 12)
    assert (card.train, card.validation, card.test, card.skipped) == (7, 3, 2, 0)
    assert card.split.endswith("drawn at random within each class with split seed 5")
    assert card.preparation.startswith("8-bit RGB of 12×12 pixels; not resized")


def test_loading_repeats_whatever_the_threads_do(photos, monkeypatch):
    first = load_dataset(photos).card
    real = folder.decode
    turn = iter(range(1000))

    def unsteady(path, **options):
        time.sleep(next(turn) % 3 / 200)
        return real(path, **options)

    monkeypatch.setattr(folder, "decode", unsteady)
    monkeypatch.setattr(folder, "BATCH", 1)
    assert load_dataset(photos).card == first
    assert load_dataset(photos, split_seed=1).card.sha256 != first.sha256


def test_images_are_decoded_in_several_threads(photos, monkeypatch):
    both = threading.Barrier(2, timeout=20)  # passes only if two threads are inside decode at once
    real = folder.decode

    def meet(path, **options):
        both.wait()
        return real(path, **options)

    monkeypatch.setattr(folder, "decode", meet)
    monkeypatch.setattr(folder, "BATCH", 6)
    monkeypatch.setattr(folder.os, "cpu_count", lambda: 2)
    assert load_dataset(photos).card.train == 7


def parts_of(paint, **parts: str) -> None:
    for part, classes in parts.items():
        for name in classes:
            for i in range(5):
                paint(f"set/{part}/{name}/{i}.png")


def test_given_parts_are_kept_apart(tmp_path, paint):
    parts_of(paint, train="ab", val="ab", test="a")
    data = load_dataset(tmp_path / "set")
    assert data.card.split == "train, validation and test as given"
    for name, part in (("train", data.train), ("val", data.validation), ("test", data.test)):
        files = sorted((tmp_path / "set" / name).rglob("*.png"))
        for path, x, label in zip(files, part.x, part.y, strict=True):
            with Image.open(path) as image:
                assert np.array_equal(x.transpose(1, 2, 0), np.asarray(image))
            assert data.card.classes[label] == path.parent.name


def test_validation_is_drawn_from_train_not_test(tmp_path, paint):
    parts_of(paint, train="ab", test="ab")
    data = load_dataset(tmp_path / "set")
    assert (data.card.train, data.card.validation, data.card.test) == (8, 2, 10)
    assert data.card.split.startswith("test as given; validation is 20% of the given train part")
    train_files = {
        np.asarray(Image.open(path)).transpose(2, 0, 1).tobytes()
        for path in (tmp_path / "set/train").rglob("*.png")
    }
    assert {x.tobytes() for x in (*data.train.x, *data.validation.x)} == train_files


def test_test_is_drawn_from_train_where_only_val_is_given(tmp_path, paint):
    parts_of(paint, train="ab", val="ab", extra="ab")
    card = load_dataset(tmp_path / "set").card
    assert (card.train, card.validation, card.test) == (8, 10, 2)
    assert card.split.startswith("validation as given; test is 20% of the given train part")
    assert card.split.endswith("; extra/ not used")


def test_a_class_that_train_lacks_is_named(tmp_path, paint):
    parts_of(paint, train="ab", test="abc")
    with pytest.raises(DataError, match=r"set: class 'c' is in test but not in train"):
        load_dataset(tmp_path / "set")


def test_one_channel_only_if_all_are_grey(tmp_path, paint):
    for name in "ab":
        for i in range(3):
            paint(f"set/{name}/{i}.png", channels=1, mode="1" if i == 2 else "")
    grey = load_dataset(tmp_path / "set")
    assert grey.card.shape == (1, 12, 12)
    assert grey.card.preparation.startswith("8-bit greyscale")
    paint("set/a/3.png")
    mixed = load_dataset(tmp_path / "set")
    assert mixed.card.shape == (3, 12, 12)
    assert "6 greyscale images turned into RGB" in mixed.card.preparation


def test_16_bit_images_share_the_range_of_all(tmp_path):
    """12-bit values in 16-bit files: scaled by one factor for the whole folder, not by each image's own."""
    tops = {("a", 0): 4000, ("a", 1): 1000, ("a", 2): 500, ("b", 0): 100, ("b", 1): 2000, ("b", 2): 3000}
    for (name, i), top in tops.items():
        (tmp_path / name).mkdir(exist_ok=True)
        Image.fromarray(np.full((6, 6), top, np.uint16)).save(tmp_path / name / f"{i}.png")
    data = load_dataset(tmp_path)
    assert "16-bit values scaled to 8 bits, from 0–4095 to 0–255" in data.card.preparation
    seen = sorted(int(x[0, 0, 0]) for part in (data.train, data.validation, data.test) for x in part.x)
    assert seen == sorted(round(top / 4095 * 255) for top in tops.values())


def test_mixed_sizes_need_a_size(photos, paint):
    paint("photos/dog/wide.png", 40, 20)
    with pytest.raises(
        DataError,
        match=r"photos: the images differ in size, from 12×12 \(cat/0\.png\) to 40×20 \(dog/wide\.png\)"
        r".*image_size=32",
    ):
        load_dataset(photos)
    card = load_dataset(photos, image_size=16).card
    assert card.shape == (3, 16, 16)
    assert "shorter side resized to 16 (bilinear, antialiased), then the centre cropped" in card.preparation


def test_equal_areas_are_different_sizes(photos, paint):
    paint("photos/cat/2a.png", 16, 9)  # neither the first nor the last file
    with pytest.raises(DataError, match=r"from 12×12 .* to 16×9 "):
        load_dataset(photos)


def test_sizes_are_compared_after_turning(tmp_path, paint):
    turned = Image.Exif()
    turned[0x0112] = 6
    for name in "ab":
        for i in range(3):
            paint(f"set/{name}/{i}.png", 8, 5)
        paint(f"set/{name}/turned.png", 5, 8, exif=turned)
    assert load_dataset(tmp_path / "set").card.shape == (3, 5, 8)


@pytest.mark.parametrize("kind", ["cut", "empty"])
def test_broken_files_stop_or_are_skipped(photos, paint, kind):
    """Skipping gives what the folder without the broken files gives: same parts, same hash."""
    for name in ("cat/3a.png", "dog/0.png"):
        paint(f"photos/{name}")
        break_file(photos / name) if kind == "cut" else (photos / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"photos/(cat/3a|dog/0)\.png: .*skip_broken"):
        load_dataset(photos)
    skipping = load_dataset(photos, skip_broken=True).card
    assert skipping.skipped == 2
    for name in ("cat/3a.png", "dog/0.png"):
        (photos / name).unlink()
    without = load_dataset(photos).card
    assert (without.sha256, without.skipped) == (skipping.sha256, 0)


def test_a_broken_image_does_not_decide_the_channels(tmp_path, paint):
    for name in "ab":
        for i in range(4):
            paint(f"set/{name}/{i}.png", channels=1)
    paint("set/a/colour.png")
    break_file(tmp_path / "set/a/colour.png")
    assert load_dataset(tmp_path / "set", skip_broken=True).card.shape == (1, 12, 12)


def test_broken_16_bit_images_are_skipped(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(4):
            values = np.random.default_rng(i).integers(0, 4096, (9, 9)).astype(np.uint16)
            Image.fromarray(values).save(tmp_path / name / f"{i}.png")
    break_file(tmp_path / "b/3.png")
    with pytest.raises(DataError, match=r"b/3\.png: a damaged image"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, skip_broken=True).card.skipped == 1


def test_nothing_left_after_skipping(photos):
    for path in photos.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"photos: not one of its images can be read"):
        load_dataset(photos, skip_broken=True)


def test_a_class_left_empty_by_skipping_is_named(photos):
    for path in (photos / "dog").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"photos: class 'dog' has no usable example"):
        load_dataset(photos, skip_broken=True)


def test_bombs_are_errors_and_no_warnings(photos):
    """pytest turns warnings into errors, so Pillow's would show as a damaged image."""
    Image.new("1", (10_000, 9_500)).save(photos / "cat/bomb.png")
    with pytest.raises(DataError, match=r"cat/bomb\.png: 10000×9500 pixels, over the 64 megapixels"):
        load_dataset(photos, image_size=8)
    assert load_dataset(photos, image_size=8, skip_broken=True).card.skipped == 1
    assert Image.MAX_IMAGE_PIXELS == 89_478_485


def test_too_little_memory_is_said_before_decoding(photos, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 6000)
    monkeypatch.setattr(folder, "decode", lambda *args, **options: pytest.fail("decoded"))
    with pytest.raises(
        DataError, match=r"photos: 12 images of 12×12×3 bytes would take .* pass a smaller image_size"
    ):
        load_dataset(photos)


def test_memory_is_counted_to_the_byte(photos, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 6480)  # 80 % of it are the 12·12·12·3 bytes
    assert load_dataset(photos).card.train == 7
    monkeypatch.setattr(memory, "available_bytes", lambda: 6479)
    with pytest.raises(DataError):
        load_dataset(photos)


def test_running_out_of_memory_is_said(photos, monkeypatch):
    def fail(*args, **options):
        raise MemoryError

    monkeypatch.setattr(folder, "decode", fail)
    with pytest.raises(DataError, match=r"photos: does not fit into memory"):
        load_dataset(photos)


def test_other_files_are_counted(photos):
    (photos / "cat/notes.txt").touch()
    assert load_dataset(photos).card.preparation.endswith("; 1 other file ignored")


def test_a_class_name_that_is_no_text_is_refused(photos):
    try:
        (photos / "bird\udcff").mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (photos / "dog/0.png").rename(photos / "bird\udcff/0.png")
    with pytest.raises(DataError, match=r"photos: class 'bird\\udcff': the name is not valid UTF-8"):
        load_dataset(photos)


def test_the_folder_is_named_even_if_given_as_a_dot(photos, monkeypatch):
    monkeypatch.chdir(photos)
    assert load_dataset(".").card.name == "photos"


def test_an_orientation_behind_the_pixels_is_noticed(tmp_path, paint):
    """PNG allows eXIf after IDAT, where the header does not show it."""
    turned = Image.Exif()
    turned[0x0112] = 6
    for name in "ab":
        for i in range(3):
            paint(f"set/{name}/{i}.png", 8, 5)
    paint("set/a/late.png", 8, 5, exif=turned)
    path = tmp_path / "set/a/late.png"
    data = path.read_bytes()
    start = data.index(b"eXIf") - 4
    chunk = data[start : start + 12 + int.from_bytes(data[start : start + 4], "big")]
    rest = data.replace(chunk, b"")
    path.write_bytes(rest[:-12] + chunk + rest[-12:])  # before IEND, which is 12 bytes long
    with pytest.raises(DataError, match=r"late\.png: lies on its side.*image_size"):
        load_dataset(tmp_path / "set")
    assert load_dataset(tmp_path / "set", image_size=6).card.shape == (3, 6, 6)

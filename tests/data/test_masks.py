"""Folders of images and masks: each image with its mask, values as classes, what is refused and how."""

import numpy as np
import pytest
from PIL import Image

from convblocks.data import load_again, load_dataset
from convblocks.data.dataset import IGNORE
from convblocks.errors import DataError


def mask_of(image: np.ndarray) -> np.ndarray:
    """A mask that tells which image it is of: a class from each pixel."""
    return (image[..., 0] // 100).astype(np.uint8)


@pytest.fixture
def masked(tmp_path, paint):
    """Ten RGB images of 12×16 pixels with masks of classes 0, 1 and 2."""
    return fill(tmp_path / "set", paint, "set", 10)


def fill(root, paint, below, number):
    for i in range(number):
        pixels = paint(f"{below}/images/{i}.png", 16, 12)
        path = root / "masks" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask_of(pixels)).save(path)
    return root


def pairs(data):
    return [
        (x.tobytes(), y.tobytes())
        for part in (data.train, data.validation, data.test)
        for x, y in zip(part.x, part.y, strict=True)
    ]


def test_every_image_has_its_own_mask(masked):
    data = load_dataset(masked)
    expected = set()
    for path in (masked / "images").iterdir():
        pixels = np.asarray(Image.open(path))
        expected.add((pixels.transpose(2, 0, 1).tobytes(), mask_of(pixels).tobytes()))
    assert set(pairs(data)) == expected
    assert len(pairs(data)) == 10
    assert data.train.y.shape == (6, 12, 16)
    assert data.train.y.dtype == np.uint8
    card = data.card
    assert (card.task, card.metric, card.classes) == ("segment", "mean IoU", ("0", "1", "2"))
    for part in ("train", "validation", "test"):
        y = getattr(data, part).y
        assert card.pixels[part] == tuple(int((y == c).sum()) for c in range(3))
    assert card.split == "60% train, 20% validation, 20% test, drawn at random with split seed 0"
    assert np.array_equal(load_again(card).test.y, data.test.y)


def rewrite(root, change):
    """Each mask, by its number, as `change` makes it."""
    for path in (root / "masks").iterdir():
        save(path, change(int(path.stem), np.asarray(Image.open(path)).copy()))


def test_values_are_classes_and_255_is_none(masked):
    def change(at, mask):
        mask[0] = IGNORE if at == 3 else 3
        return mask

    rewrite(masked, change)
    data = load_dataset(masked)
    assert data.card.classes == ("0", "1", "2", "3")
    whole = [y for part in (data.train, data.validation, data.test) for y in part.y]
    assert sum((y == IGNORE).any() for y in whole) == 1
    assert data.card.ignored == pytest.approx(1 / 10 / 12)
    assert all((y[0] == (IGNORE if (y == IGNORE).any() else 3)).all() for y in whole)


def test_values_without_255_may_have_gaps(masked):
    rewrite(masked, lambda _, mask: mask * 60)
    card = load_dataset(masked).card
    assert card.classes == ("0", "60", "120")
    assert card.notes == ("mask values 0, 60 and 120 read as classes 0 to 2, in this order",)


def places(at):
    """Other whole numbers for each mask."""
    return np.arange(64 * at, 64 * at + 192).reshape(12, 16)


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        ((0, 128, 255), r"0 \(640 pixels\), 128 \(640 pixels\) and 255 \(640 pixels\)"),
        ((2, 3, 255), r"2 \(640 pixels\), 3 \(640 pixels\) and 255 \(640 pixels\)"),
        ((0, 2, 255), r"0 \(640 pixels\), 2 .* and 255 \(640 pixels\)"),
        ((*range(256),), r"0 .*, 1 .*, 11 \(7 pixels\) and 244 more"),
    ],
)
def test_grey_levels_are_no_classes(masked, levels, told):
    """White would be ignored, and the study answer another question than was asked."""
    rewrite(masked, lambda at, _: np.uint8(levels)[places(at) % len(levels)])
    with pytest.raises(
        DataError, match=f"the values {told}, which look like grey levels, and 255 .*0, 1, 2, …, or"
    ):
        load_dataset(masked)


def test_names_say_that_values_are_meant(masked):
    def change(_, mask):
        mask[0] = IGNORE
        return np.where(mask == 1, 3, mask).astype(np.uint8)

    rewrite(masked, change)
    with pytest.raises(DataError, match="grey levels"):
        load_dataset(masked)
    (masked / "classes.txt").write_text("a\nb\nc\nd\n")
    assert load_dataset(masked).card.classes == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (
            [4],
            "4.png: holds the value 9 in 2 pixels, and no other mask does; expected a class in 3 masks or more: fix",
        ),
        ([4, 7], r"[47].png: holds the value 9 in 2 pixels, and only 1 other mask does; expected"),
        ([4, 7, 8], ""),
    ],
)
def test_a_stray_value_is_no_class(masked, where, told):
    def change(at, mask):
        mask[0, :2] = 9 if at in where else 0
        return mask

    rewrite(masked, change)
    if told:
        with pytest.raises(DataError, match=told) as caught:
            load_dataset(masked)
        assert "name the classes 0 to 9 in classes.txt" in str(caught.value)
        (masked / "classes.txt").write_text("\n".join("abcdefghij"))
    assert len(load_dataset(masked).card.classes) == (10 if told else 4)


@pytest.mark.parametrize("stray", [2, 9])
def test_a_stray_value_beside_255_does_not_make_grey_levels(masked, stray):
    """Neither where it leaves a gap, nor where it fills one."""

    def change(at, mask):
        mask = np.where(mask == 2, 3 if stray == 2 else 2, mask).astype(np.uint8)
        mask[0, :2] = (stray, IGNORE) if at == 4 else IGNORE
        return mask

    rewrite(masked, change)
    with pytest.raises(
        DataError, match=f"4.png: holds the value {stray} in 1 pixel, and no other mask does;"
    ):
        load_dataset(masked)


def test_a_class_of_given_parts_is_in_two_masks_or_more(tmp_path, paint):
    for part in ("train", "val", "test"):
        fill(tmp_path / "set" / part, paint, f"set/{part}", 1)
    path = tmp_path / "set" / "train" / "masks" / "0.png"
    save(path, np.where(np.arange(16) == 0, 3, np.asarray(Image.open(path))).astype(np.uint8))
    with pytest.raises(
        DataError, match=r"train/masks/0.png: holds the value 3 in 12 pixels, .* in 2 masks or more"
    ):
        load_dataset(tmp_path / "set")


def test_a_stray_value_beside_255_is_told_as_such(masked):
    def change(at, mask):
        mask[0, :2] = (9, 11) if at == 4 else IGNORE
        return mask

    rewrite(masked, change)
    with pytest.raises(
        DataError, match=r"4.png: holds the value 9 in 1 pixel, .* and 1 other value likewise;"
    ):
        load_dataset(masked)


def test_classes_have_names_from_a_file(masked):
    (masked / "classes.txt").write_text("sky\nroad\ncar\nnever seen\n")
    assert load_dataset(masked).card.classes == ("sky", "road", "car", "never seen")
    (masked / "classes.txt").write_text("sky\nroad\n")
    with pytest.raises(
        DataError, match=r"masks/\d\.png: holds the value 2, but classes.txt names 0 to 1: fix"
    ):
        load_dataset(masked)
    (masked / "classes.txt").write_text("sky\r\n road \r\ncar\r\n\r\n \r\n")
    assert load_dataset(masked).card.classes == ("sky", "road", "car")
    for text, line in (("sky\n\nroad\ncar\n", 2), ("\nsky\nroad\ncar", 1)):
        (masked / "classes.txt").write_text(text)
        with pytest.raises(
            DataError, match=rf"classes.txt: line {line} is blank: name class {line - 1} there, or"
        ):
            load_dataset(masked)
    (masked / "classes.txt").write_text("sky\nsky\n")
    with pytest.raises(DataError, match=r"classes.txt: names 2 classes, 1 different: expected 2 to 255"):
        load_dataset(masked)


@pytest.mark.parametrize("way", ["part/images", "images/part"])
def test_given_parts(tmp_path, paint, way):
    for part, number in (("train", 3), ("val", 2), ("test", 1)):
        fill(tmp_path / "set" / part, paint, f"set/{part}", number)
    if way == "images/part":
        for kind in ("images", "masks"):
            for part in ("train", "val", "test"):
                (tmp_path / "other" / kind).mkdir(parents=True, exist_ok=True)
                (tmp_path / "set" / part / kind).rename(tmp_path / "other" / kind / part)
    data = load_dataset(tmp_path / ("other" if way == "images/part" else "set"))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [3, 2, 1]
    assert data.card.split == "train, validation and test as given"


def test_resizing_takes_the_nearest_pixel_of_the_same_crop(masked):
    data = load_dataset(masked, image_size=6)
    assert data.train.y.shape == (6, 6, 6)
    found = {y.tobytes() for part in (data.train, data.validation, data.test) for y in part.y}
    expected = set()
    for path in (masked / "masks").iterdir():
        crop = np.asarray(Image.open(path))[:, 2:14]  # the centre, 12×12; the nearest of two is the second
        expected.add(np.ascontiguousarray(crop[1::2, 1::2]).tobytes())
    assert found == expected


def test_palette_indices_count_and_not_their_colours(masked):
    for path in (masked / "masks").iterdir():
        mask = Image.open(path).convert("P")
        values = np.asarray(Image.open(path))
        mask = Image.fromarray(values).convert("P")
        mask.putdata(values.reshape(-1).tolist())
        mask.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0])
        mask.save(path)
    assert load_dataset(masked).card.classes == ("0", "1", "2")


def save(path, values):
    Image.fromarray(values).save(path)


def remove(path):
    path.unlink()


BREAK = {
    "missing": (remove, r"images/4.png: has no mask: add .*masks/4.png, or take the image out$"),
    "lossy": (
        lambda path: path.rename(path.with_suffix(".jpg")),
        r"images/4.png: has no mask: add .*masks/4.png in place of 4.jpg, which cannot be a mask",
    ),
    "twice": (
        lambda path: save(path.with_suffix(".bmp"), np.zeros((12, 16), np.uint8)),
        r"masks/4.png: 4.bmp is the same image's mask",
    ),
    "size": (
        lambda path: save(path, np.zeros((12, 12), np.uint8)),
        r"masks/4.png: the mask has 12×12 pixels and 4.png 16×12: bring them to one size",
    ),
    "colours": (
        lambda path: save(path, np.eye(3, dtype=np.uint8)[np.zeros((12, 16), int)]),
        r"masks/4.png: a mask of mode RGB in colours; expected the class of each pixel",
    ),
    "too high": (
        lambda path: save(path, np.full((12, 16), 300, np.uint16)),
        r"masks/4.png: holds the value 300; expected classes from 0 to 254",
    ),
    "damaged": (lambda path: path.write_bytes(b"no image"), r"masks/4.png: not an image of a known format"),
}


@pytest.mark.parametrize("how", BREAK)
def test_what_is_refused(masked, how):
    damage, message = BREAK[how]
    damage(masked / "masks" / "4.png")
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(masked)
    assert "\n" not in str(caught.value)


def test_broken_pairs_can_be_skipped(masked):
    (masked / "masks" / "4.png").write_bytes(b"no image")
    (masked / "images" / "5.png").write_bytes(b"no image")
    data = load_dataset(masked, skip_broken=True)
    assert data.card.skipped == 2
    assert len(pairs(data)) == 8


def black_and_white(path, mode):
    """Writes a mask's foreground as white, in an image of that mode."""
    foreground = np.asarray(Image.open(path)) > 0
    if mode == "I;16":
        image = Image.fromarray(np.where(foreground, 65_535, 0).astype(np.uint16))
    elif mode == "P":
        image = Image.fromarray(foreground.astype(np.uint8))
        image.putpalette([0, 0, 0, 255, 255, 255])
    else:
        image = Image.fromarray(np.where(foreground, 255, 0).astype(np.uint8)).convert(mode)
    image.save(path)


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "RGBA", "LA", "I;16", "P"])
def test_black_and_white_masks_have_two_classes(masked, mode):
    """Whatever the file's mode, they are the data set whose masks hold 0 and 1, and white is said to be class 1."""
    rewrite(masked, lambda _, mask: np.uint8(mask > 0))
    plain = load_dataset(masked)
    for path in (masked / "masks").iterdir():
        black_and_white(path, mode)
    data = load_dataset(masked)
    for part in ("train", "validation", "test"):
        assert np.array_equal(getattr(data, part).y, getattr(plain, part).y)
    white = mode not in ("1", "P")
    assert data.card.ignored == 0
    assert data.card.classes == (("0", "255") if white else ("0", "1"))
    assert data.card.notes == (("masks of 0 and 255: 255 read as class 1, the foreground",) if white else ())
    (masked / "classes.txt").write_text("background\ncell\n")
    assert load_dataset(masked).card.classes == ("background", "cell")


def test_masks_are_resized_to_height_and_width(masked):
    data = load_dataset(masked, image_size=(6, 8))
    assert data.card.shape == (3, 6, 8)
    assert np.array_equal(data.train.y, load_dataset(masked).train.y[:, 1::2, 1::2])
    assert load_again(data.card).card == data.card


def test_black_and_white_is_not_one_of_three_classes(masked):
    rewrite(masked, lambda _, mask: np.uint8(mask > 0) * np.uint8(255))
    (masked / "classes.txt").write_text("background\ncell\nedge\n")
    with pytest.raises(DataError, match=r"the masks hold one class, 0 \(255 marks what has none\)"):
        load_dataset(masked)


def test_no_background_is_no_black_and_white(masked):
    rewrite(masked, lambda _, mask: np.where(mask > 0, 255, 1).astype(np.uint8))
    with pytest.raises(
        DataError, match=r"the masks hold one class, 1 \(255 marks what has none\).* as 0 and 255"
    ):
        load_dataset(masked)


def test_two_ways_to_write_the_foreground_are_refused(masked):
    """As one way they would be 255 for no class, and half of the foreground lost."""
    rewrite(masked, lambda at, mask: np.uint8(mask > 0) * np.uint8(255 if at % 2 else 1))
    with pytest.raises(
        DataError, match=r"5 masks of the values 0 and 1 and 5 of 0 and 255, none of both: write"
    ):
        load_dataset(masked)
    (masked / "classes.txt").write_text("background\ncell\n")
    assert load_dataset(masked).card.ignored > 0


def test_the_task_must_fit(masked, photos):
    assert load_dataset(masked, task="segment").card.task == "segment"
    with pytest.raises(
        DataError, match=r"photos: holds no images/ with a masks/ beside; expected images/ and"
    ):
        load_dataset(photos, task="segment")
    with pytest.raises(DataError, match=r"^digits: is a data set to classify, not to segment: .* task$"):
        load_dataset("digits", task="segment")
    with pytest.raises(
        DataError,
        match=r"images/0.png: has a mask of the same name in .*masks, so .* to segment, .*: give task='segment', or",
    ):
        load_dataset(masked, task="classify")
    for path in (masked / "masks").iterdir():
        path.rename(path.with_stem(f"a{path.stem}"))
    assert load_dataset(masked, task="classify").card.classes == ("images", "masks")
    assert load_dataset(task="segment").card.name == "canvases"


def test_too_few_images(tmp_path, paint):
    root = fill(tmp_path / "set", paint, "set", 2)
    with pytest.raises(
        DataError, match=r"set: has 2 examples, and a split into 3 parts takes at least 3: add"
    ):
        load_dataset(root)

"""load_dataset: what sources are, what they are not, and that data needs no torch."""

import ast
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import convblocks.data
from convblocks.data import Dataset, Split, load_again, load_dataset
from convblocks.errors import DataError, OptionError


def test_nothing_in_data_imports_torch():
    for file in Path(convblocks.data.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.split(".")[0] == "torch" for name in names), file


def test_outcome():
    data = load_dataset("digits")
    assert isinstance(data, Dataset)
    assert isinstance(data.train, Split)
    assert len(data.train) == data.card.train == len(data.train.x)
    with pytest.raises(AttributeError):
        data.train = data.test


def test_a_path_may_be_a_path_or_text(photos):
    assert load_dataset(photos).card == load_dataset(str(photos)).card


def test_a_name_wins_over_a_folder_called_so(photos, monkeypatch):
    photos.rename(photos.with_name("digits"))
    monkeypatch.chdir(photos.parent)
    assert load_dataset("digits").card.shape == (1, 8, 8)
    assert load_dataset("./digits").card.shape == (3, 12, 12)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "digit",
            r"^'digit': there is no such folder, file or embedded data set; .* did you mean 'digits' or 'digitzz'\?$",
        ),
        ("Faces", r"did you mean 'faces'\?$"),
        ("phots", r"did you mean 'photos'\?$"),
        ("./Photo/", r"did you mean './photos/?'\?$"),
        ("digitz", r"did you mean 'digits' or 'digitzz'\?$"),
        ("mine", r"did you mean 'mines.npz'\?$"),
        ("mines", r"did you mean 'mines.npz'\?$"),
        (
            "nowhere/at/all",
            r"^'nowhere/at/all': there is no such .* are digits, faces, textures, canvases and lfw_subset$",
        ),
        ("", r"^'': there is no such"),
        ("a\0b", r"^'a\\x00b': there is no such"),
        ("a\nb", r"^'a\\nb': there is no such"),
        ("x" * 5000, r"^x+…x+: cannot be read: File name too long"),
    ],
)
def test_unknown_sources(source, message, tmp_path, monkeypatch):
    """A name suggests the nearest embedded set, and the nearest folder or .npz file beside it."""
    for name in ("photos", "digitzz", ".photoz"):
        (tmp_path / name).mkdir()
    for name in ("mines.npz", "phot.txt"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=message):
        load_dataset(source)


@pytest.mark.parametrize(
    ("name", "kind"), [("a.csv", r"a \.csv file"), ("a.png", r"a \.png file"), ("a", "a file")]
)
def test_other_files(tmp_path, name, kind):
    (tmp_path / name).write_text("1,2")
    with pytest.raises(
        DataError, match=rf"/{name}: is {kind}, which cannot be read as data; expected a folder"
    ):
        load_dataset(tmp_path / name)


def test_an_unreadable_place_is_not_called_missing(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(DataError, match=r"set\.npz: cannot be read: Permission denied; expected"):
        load_dataset(tmp_path / "set.npz")


@pytest.mark.parametrize(
    "size", [0, 3, -8, 8.0, "8", True, 65_537, (), (32, 3), (32, "48"), (32, 32, 32, 32), "32x48"]
)
def test_sizes(size):
    with pytest.raises(OptionError, match=r"image_size=.*expected a whole number of pixels from 4 to 65,536"):
        load_dataset("digits", image_size=size)


@pytest.mark.parametrize("size", [(8, 12), [8, 12]])
def test_height_and_width(photos, npz, size):
    """Of images the largest centred part of these proportions is resized; of arrays each axis."""
    data = load_dataset(photos, image_size=size)
    assert data.card.shape == (3, 8, 12)
    assert "resized to cover 12×8 (bilinear, antialiased), then the centre cropped" in data.card.preparation
    path = sorted((photos / "cat").iterdir())[0]
    with Image.open(path) as image:  # 12×12: its centre of 12×8 needs no resizing
        centre = np.asarray(image)[2:10].transpose(2, 0, 1)
    everything = np.concatenate([data.train.x, data.validation.x, data.test.x])
    assert any(np.array_equal(x, centre) for x in everything)
    assert load_again(data.card).card == data.card
    arrays = load_dataset(
        npz(
            x=np.zeros((9, 16, 6), np.uint8),
            y=np.arange(9) % 3,
        ),
        image_size=size,
        layout="none",
    )
    assert arrays.card.shape == (1, 8, 12)


def test_one_side_is_the_square(photos, paint):
    paint("photos/cat/wide.png", 17, 31)
    assert (
        load_dataset(photos, image_size=9).card.sha256 == load_dataset(photos, image_size=(9, 9)).card.sha256
    )


def test_a_size_of_other_axes_is_refused(npz):
    path = npz(x=np.zeros((9, 16), np.uint8), y=np.arange(9) % 3)
    with pytest.raises(
        OptionError, match=r"image_size=\(8, 12\): names 2 axes, but the examples are signals"
    ):
        load_dataset(path, image_size=(8, 12))
    assert load_dataset(path, image_size=(8,)).card.shape == (1, 8)


@pytest.mark.parametrize("seed", [-1, 1.0, None, True])
def test_seeds(seed):
    with pytest.raises(OptionError, match=r"split_seed=.*expected a whole number of at least 0"):
        load_dataset("digits", split_seed=seed)


def test_layouts_are_for_arrays(npz, photos):
    leads = np.random.default_rng(0).integers(0, 256, (30, 12, 40), dtype=np.uint8)
    path = npz(x=leads, y=np.arange(30) % 3)
    read = load_dataset(path, layout="channels-first")
    assert read.card.shape == (12, 40)
    assert read.card.sha256 != load_dataset(path, layout="none").card.sha256
    assert {x.tobytes() for x in read.train.x} <= {x.tobytes() for x in leads}
    assert load_dataset(path, layout="none").card.shape == (1, 12, 40)
    for wrong in ("NCL", 3, []):
        with pytest.raises(OptionError, match=r"^layout=.*: expected channels-first, channels-last or none$"):
            load_dataset(path, layout=wrong)
    for source, named in (("digits", "the embedded set digits"), (photos, "the folder .*photos")):
        with pytest.raises(
            OptionError,
            match=rf"^layout='none': goes with a \.npz file; {named} needs none, so leave it out$",
        ):
            load_dataset(source, layout="none")


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_skipping_is_true_or_false(value):
    with pytest.raises(OptionError, match="expected true or false"):
        load_dataset("digits", skip_broken=value)


def test_a_run_folder_is_no_data_and_nobody_is_told_to_delete_it(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(DataError, match="is a run folder, which holds results") as refusal:
        load_dataset(tmp_path)
    assert "delete" not in str(refusal.value)

"""Data that a script holds: the same examples in every form are the same data set."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from convblocks import load_dataset
from convblocks.errors import DataError, OptionError

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (30, 6, 6), dtype=np.uint8)
Y = np.arange(30) % 3


class Frame:
    """A table that is no dict."""

    def __init__(self, **columns):
        self.columns, self._columns = list(columns), columns

    def __getitem__(self, name):
        return self._columns[name]


class ImageFolder(Dataset):
    """What torchvision's gives: PIL images, places of the folders' names, and these names as `classes`."""

    def __init__(self, root):
        self.paths = sorted(root.rglob("*.png"))
        self.classes = sorted({path.parent.name for path in self.paths})

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, at):
        with Image.open(self.paths[at]) as image:
            return image.convert("RGB"), self.classes.index(self.paths[at].parent.name)


def files_of(photos):
    return sorted(photos.rglob("*.png"))


def pixels_of(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


FORMS = {
    "npz": lambda photos, npz, x, y: npz(x=x, y=y),
    "arrays": lambda photos, npz, x, y: (x, y),
    "channels first": lambda photos, npz, x, y: (x.transpose(0, 3, 1, 2), list(y)),
    "tensors": lambda photos, npz, x, y: (torch.from_numpy(x), list(y)),
    "objects": lambda photos, npz, x, y: (x, y.astype(object)),
    "keys": lambda photos, npz, x, y: {"images": x, "labels": y},
    "ImageFolder": lambda photos, npz, x, y: ImageFolder(photos),
    "list": lambda photos, npz, x, y: list(zip(map(Image.fromarray, x), y, strict=True)),
    "list of arrays": lambda photos, npz, x, y: list(zip(x, y, strict=True)),
    "table": lambda photos, npz, x, y: Frame(path=[str(path) for path in files_of(photos)], label=y),
    "table of paths": lambda photos, npz, x, y: Frame(
        label=y.astype(object), path=np.array(files_of(photos))
    ),
    "pandas": lambda photos, npz, x, y: pytest.importorskip("pandas").DataFrame(
        {"path": files_of(photos), "label": y}
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_the_same_data_is_the_same_data_set(photos, npz, form):
    x = np.stack([pixels_of(path) for path in files_of(photos)])
    y = np.array([path.parent.name for path in files_of(photos)])
    folder = load_dataset(photos, split_seed=3)
    data = load_dataset(FORMS[form](photos, npz, x, y), split_seed=3)
    assert data.card.sha256 == folder.card.sha256
    assert data.card.classes == ("cat", "dog")
    if form != "npz":
        assert data.card.loading is None


@pytest.mark.parametrize("form", ["ImageFolder", "table"])
def test_sizes_are_brought_to_one(photos, npz, paint, form):
    paint("photos/cat/wide.png", 40, 20)
    source = FORMS[form](photos, npz, None, np.array([path.parent.name for path in files_of(photos)]))
    with pytest.raises(DataError, match=r"image_size=32"):
        load_dataset(source)
    assert (
        load_dataset(source, image_size=(8, 10)).card.sha256
        == load_dataset(photos, image_size=(8, 10)).card.sha256
    )


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey_images_have_one_channel(mode):
    images = [Image.fromarray(x).convert(mode) for x in X]
    plain = [np.asarray(image.convert("L")) for image in images]
    data = load_dataset([*zip(images, Y.tolist(), strict=True)])
    assert data.card.shape == (1, 6, 6)
    assert data.card.sha256 == load_dataset((np.stack(plain), Y)).card.sha256


def test_parts_are_kept_apart(tmp_path, paint):
    paths, labels, parts = [], [], []
    for part in ("train", "val", "test"):
        for name in "ab":
            for i in range(4):
                paint(f"set/{part}/{name}/{i}.png")
                paths.append(tmp_path / "set" / part / name / f"{i}.png")
                labels.append(name)
                parts.append("valid" if part == "val" else part.upper())
    folder = load_dataset(tmp_path / "set").card
    datasets = {part: ImageFolder(tmp_path / "set" / part) for part in ("train", "val", "test")}
    assert load_dataset(datasets).card.sha256 == folder.sha256
    table = Frame(path=paths, label=labels, part=parts)
    assert load_dataset(table).card.sha256 == folder.sha256
    arrays = {
        part: (np.stack([image for image, _ in pairs]), [name for _, name in pairs])
        for part in ("train", "val", "test")
        if (pairs := [(pixels_of(p), p.parent.name) for p in paths if p.parts[-3] == part])
    }
    assert load_dataset(arrays).card.sha256 == folder.sha256
    assert load_dataset(arrays).card.split == "train, validation and test as given"


def test_a_dataset_of_tensors_is_its_arrays():
    x = torch.from_numpy(X).float()[:, None] / 255
    dataset = TensorDataset(x, torch.from_numpy(Y))
    assert load_dataset(dataset).card.sha256 == load_dataset((x, Y)).card.sha256
    assert load_dataset(dataset).card.name == "TensorDataset"
    half = TensorDataset(x.bfloat16().requires_grad_(), torch.from_numpy(Y)[:, None])
    assert load_dataset(half).card.classes == ("0", "1", "2")


def test_signals_take_a_layout():
    x = RNG.normal(size=(30, 12, 40))
    assert load_dataset((x, Y), layout="channels-first").card.shape == (12, 40)
    with pytest.raises(DataError, match=r"^arrays: x: its examples of 12×40 may be"):
        load_dataset((x, Y))
    with pytest.raises(OptionError, match="goes with arrays; a table names image files"):
        load_dataset(Frame(path=[], label=[]), layout="none")


def test_items_with_nan_are_no_random_transforms():
    """NaN differs from itself, and is refused as such, or left out."""
    x = RNG.normal(size=(30, 6, 6)).astype(np.float32)
    x[1, 0, 0] = np.nan
    dataset = TensorDataset(torch.from_numpy(x), torch.from_numpy(Y))
    with pytest.raises(DataError, match="NaN"):
        load_dataset(dataset)
    assert load_dataset(dataset, skip_broken=True).card.skipped == 1


def test_signals_with_features_last_are_the_same_in_any_form(tmp_path):
    """(N, time, features), as recurrent networks have it: 40 steps of 12 features, which no rule would tell apart."""
    x = RNG.normal(size=(30, 40, 12)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=Y)
    tensors = TensorDataset(torch.from_numpy(x), torch.from_numpy(Y))
    pairs = [(x[i], int(Y[i])) for i in range(30)]
    given = [tmp_path / "data.npz", (x, Y), (torch.from_numpy(x), Y), tensors, pairs, {"x": x, "y": Y}]
    sets = [load_dataset(source, layout="channels-last") for source in given]
    assert {data.card.shape for data in sets} == {(12, 40)}
    assert len({data.card.sha256 for data in sets}) == 1
    assert {example.tobytes() for example in sets[0].train.x} <= {
        np.ascontiguousarray(a.T).tobytes() for a in x
    }
    with pytest.raises(DataError, match=r"expected .* signals"):
        load_dataset((x[..., 0], Y), layout="channels-last")


def test_classes_are_named_only_where_labels_are_their_places():
    class Named(TensorDataset):
        classes = ("b", "a", "c")

    def classes_of(y):
        return load_dataset(Named(torch.from_numpy(X), torch.from_numpy(y))).card.classes

    assert classes_of(Y) == ("a", "b", "c")
    assert classes_of(Y + 1) == ("1", "2", "3")
    assert classes_of(Y - 1) == ("-1", "0", "1")


class Random(TensorDataset):
    def __getitem__(self, at):
        return torch.rand(6, 6), Y[at]


class Failing(TensorDataset):
    def __getitem__(self, at):
        raise KeyError("no\nsuch")


class Stream(IterableDataset):
    def __iter__(self):
        yield from zip(X, Y, strict=True)


class Single(TensorDataset):
    def __getitem__(self, at):
        return X[at]


SET = (torch.from_numpy(X), torch.from_numpy(Y))
REFUSED = {
    "random transforms": (Random(*SET), r"Random: item 0 differs when it is read again.*Recipe\(augment"),
    "a failing item": (Failing(*SET), r"Failing: item 0 cannot be read \(KeyError: 'no\\nsuch'\)"),
    "a stream": (Stream(), r"Stream: is a Stream without a length; .*map-style Dataset"),
    "a generator": ((x for x in X), r"without a length"),
    "no pair": (Single(*SET), r"item 0 is a ndarray of 6: expected a pair \(image, label\)"),
    "an empty list": ([], r"list: is empty: expected \(image, label\) pairs"),
    "two datasets": ((TensorDataset(*SET), TensorDataset(*SET)), r'a tuple of Datasets; .*\{"train": …'),
    "three arrays": ((X, Y, Y), r"is a tuple; expected a path or name, arrays"),
    "an array": (X, r"ndarray: is a ndarray; expected a path"),
    "a number": (3, r"int: is a int; expected a path"),
    "a class": (TensorDataset, r"type: is a type; expected"),
    "ragged arrays": (([[1], [1, 2]], [0, 1]), r"arrays: x: cannot be an array"),
    "lengths": ((X, Y[:-1]), r"arrays: x has 30 examples and y 29 labels"),
    "multi-label": ((X, np.ones((30, 4))), r"arrays: y: multi-label data: 4 yes/no labels"),
    "no labels": ((X, [None] * 30), r"arrays: y: holds NoneType: expected numbers"),
    "label maps": ((X, X % 3), r"arrays: y: has shape \(30, 6, 6\): .*to segment, give a folder"),
    "shapes": ([(X[0], 0), (X[0, :3], 1)], r"item 0 has shape 6×6 and item 1 3×6"),
    "labels": ([(X[0], 0), (X[1], [0, 1])], r"labels of the shapes \(\) and \(2,\): expected one class"),
    "deep images": ([(Image.fromarray(X[0].astype(np.uint16)), 0)], r"item 0: a PIL image of mode I;16"),
    "two keys of one part": (
        {"train": (X, Y), "Training": (X, Y)},
        r"'train' and 'Training' are both the train",
    ),
    "a part misspelt": (
        {"train": (X, Y), "tset": (X, Y)},
        r"'tset' is no part, but stands beside 'train'; expected tr",
    ),
    "a list of arrays": ([X, Y], r"expected a pair .*; arrays x and y are given as a tuple, \(x, y\)"),
    "other keys": ({"a": X, "b": Y}, r"arrays: no examples and labels found; it holds a and b"),
    "no train part": ({"val": (X, Y), "test": (X, Y)}, r"there is a validation and a test part but no train"),
    "part": ({"train": (X, Y), "test": 3}, r"arrays: test: is a int; expected"),
    "columns": (
        Frame(file=["a"], label=[0]),
        r"table: has no column path; it holds file and label; expected",
    ),
    "no rows": (Frame(path=[], label=[]), r"table: has no rows"),
    "paths": (
        Frame(path=["a.png", float("nan")], label=[0, 1]),
        r"table: row 1: path is nan: expected the path",
    ),
    "twice": (Frame(path=["a.png", "a.png"], label=[0, 1]), r"table: rows 0 and 1 name a.png: keep one"),
    "missing labels": (
        Frame(path=["a.png", "b.png"], label=[0, float("nan")]),
        r"table: label: holds nan at",
    ),
    "parts": (
        Frame(path=["a.png", "b.png"], label=[0, 1], part=["train", "x"]),
        r"table: row 1: part is x: expected train, validation and test",
    ),
    "no such file": (
        Frame(path=["a.png", "b.png"], label=[0, 1]),
        r"^[ab].png: cannot be read: No such file",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused(case):
    source, message = REFUSED[case]
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(source)
    assert "\n" not in str(caught.value)


def test_the_task_must_fit():
    with pytest.raises(DataError, match=r"^arrays: is a data set to classify, not to segment"):
        load_dataset((X, Y), task="segment")


def test_a_loader_of_batches_is_refused_with_its_dataset():
    loader = torch.utils.data.DataLoader([(np.zeros((8, 8)), 0)] * 4)
    with pytest.raises(DataError, match=r"is a DataLoader, which gives batches: give its \.dataset"):
        load_dataset(loader)

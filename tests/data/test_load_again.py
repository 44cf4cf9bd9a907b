"""A record says how its data were loaded, well enough to load them again, and notices when they changed."""

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from convblocks.data import load_again, load_dataset
from convblocks.errors import DataError
from convblocks.records import DataCard


def recorded(dataset):
    """The card after its way through a study.json."""
    return msgspec.json.decode(msgspec.json.encode(dataset.card), type=DataCard)


def assert_same(again, dataset):
    assert again.card.sha256 == dataset.card.sha256
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(again, part).x, getattr(dataset, part).x)
        np.testing.assert_array_equal(getattr(again, part).y, getattr(dataset, part).y)


@pytest.mark.parametrize("options", [{}, {"image_size": 16, "split_seed": 3}])
@pytest.mark.parametrize("source", [None, "lfw_subset"])
def test_an_embedded_set(source, options, tmp_path):
    dataset = load_dataset(source, **options)
    assert_same(load_again(recorded(dataset)), dataset)
    assert_same(load_again(recorded(dataset), tmp_path), dataset)


def test_a_folder_with_every_option(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (photos / "cat" / "broken.png").write_bytes(b"no image")
    dataset = load_dataset("photos", image_size=8, split_seed=5, skip_broken=True)
    card = recorded(dataset)
    assert card.skipped == 1
    assert_same(load_again(card), dataset)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert_same(load_again(card, ".."), dataset)
    with pytest.raises(DataError, match="there is no such folder"):
        load_again(card)


def test_a_folder_called_as_an_embedded_set(photos, tmp_path, monkeypatch):
    photos.rename(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    dataset = load_dataset("./digits")
    assert_same(load_again(recorded(dataset)), dataset)
    assert_same(load_again(recorded(dataset), tmp_path), dataset)
    assert_same(load_again(recorded(dataset), "."), dataset)


def test_arrays_with_a_layout(npz):
    x = np.random.default_rng(0).random((30, 5, 4)).astype(np.float32)
    dataset = load_dataset(npz(x=x, y=np.arange(30) % 2), layout="channels-last")
    assert dataset.card.shape == (4, 5)
    channels_first = load_dataset(dataset.card.loading.source, layout="channels-first")
    assert channels_first.card.shape == (5, 4)
    assert_same(load_again(recorded(channels_first)), channels_first)


def test_data_that_changed(photos, paint):
    card = recorded(load_dataset(photos))
    original = (photos / "dog" / "3.png").read_bytes()
    paint("photos/dog/3.png", channels=1, mode="RGB")
    with pytest.raises(DataError, match="the data have changed since: other values, labels or another order"):
        load_again(card)
    (photos / "dog" / "3.png").write_bytes(original)
    for i in range(4):
        paint(f"photos/cow/{i}.png")
    with pytest.raises(
        DataError, match=r"classes cat and dog before, cat, cow and dog now; train 7 before, 10 now"
    ):
        load_again(card)


def test_a_card_that_does_not_say():
    card = replace(load_dataset().card, loading=None)
    with pytest.raises(DataError, match="digits: the record does not say how these data were loaded"):
        load_again(card)
    table = msgspec.to_builtins(card)
    del table["loading"]  # as an earlier version wrote it
    assert msgspec.convert(table, DataCard) == card

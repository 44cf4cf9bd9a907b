"""Examples in files that workers map."""

import pickle

import numpy as np
import pytest

from convblocks import load_dataset
from convblocks.data.dataset import fingerprint
from convblocks.runs.shared_examples import shared


def test_the_same_bits_by_their_fingerprint(tmp_path):
    dataset = load_dataset("digits")
    with shared(dataset, tmp_path / "examples") as examples:
        found = pickle.loads(pickle.dumps(examples)).open()  # noqa: S301 - as a worker gets it
        assert (
            fingerprint((found.train, found.validation, found.test), found.card.classes)
            == dataset.card.sha256
        )
        assert found.card == dataset.card


def test_pages_are_mapped_not_copied_and_writing_changes_no_file(tmp_path):
    dataset = load_dataset("digits")
    with shared(dataset, tmp_path / "examples") as examples:
        assert len(pickle.dumps(examples)) < 2000
        first = examples.open()
        assert isinstance(first.train.x.base, np.memmap)
        first.train.x[:] = 99  # a copy on write, so that torch takes the array without a warning
        assert np.array_equal(examples.open().train.x, dataset.train.x)


def test_the_files_go_at_the_end_and_on_errors_and_replace_what_a_kill_left(tmp_path):
    folder = tmp_path / "examples"
    folder.mkdir()
    (folder / "train-x.npy").write_bytes(b"half a fi")
    (folder / "stale").write_bytes(b"")

    def fall_over():
        with shared(load_dataset("digits"), folder) as examples:
            assert len(list(folder.iterdir())) == 6
            examples.open()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fall_over()
    assert not folder.exists()

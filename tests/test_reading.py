"""Files that are no files: whatever is to be read, a pipe or a device ends in one line at once."""

import os
import signal
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from convblocks.data import load_dataset
from convblocks.errors import ConvblocksError
from convblocks.files import MOST_TEXT, open_regular, read_text
from convblocks.networks import pretrained
from convblocks.networks.weight_files import read_weights
from convblocks.targets import load_target
from convblocks.training.checkpoint import CheckpointError, load_checkpoint
from tests.cli.test_cli import refused


@contextmanager
def at_once(seconds=20):
    """A pipe would wait for ever: the alarm makes a failure of that."""

    def late(*_):
        raise TimeoutError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def pipe(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path


def device(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/dev/zero")
    return path


KINDS = pytest.mark.parametrize("make", [pipe, device])


@KINDS
def test_what_is_no_file_is_refused_with_its_name(make, tmp_path):
    path = make(tmp_path / "net.toml")
    for read in (open_regular, read_text):
        with at_once(), pytest.raises(OSError, match="device, pipe or socket") as raised:
            read(path)
        assert raised.value.filename == str(path)


def test_a_folder_and_a_text_without_end_are_refused(tmp_path):
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    path = tmp_path / "long.toml"
    with path.open("wb") as file:
        file.truncate(100 * MOST_TEXT)
    with pytest.raises(OSError, match="more than 16 MiB"):
        read_text(path)


@KINDS
@pytest.mark.parametrize("name", ["net.toml", "net.json", "net.py:Net", "net.txt"])
@pytest.mark.parametrize("command", ["analyze", "code", "draw", "advise"])
def test_as_the_target_of_a_command(make, name, command, tmp_path):
    make(tmp_path / name.partition(":")[0])
    with at_once():
        message = refused(command, name, cwd=tmp_path)
    assert "device, pipe or socket" in message or name == "net.txt"
    assert "did you mean" not in message


@KINDS
@pytest.mark.parametrize("name", ["data.npz", "data"])
def test_as_data(make, name, tmp_path):
    path = make(tmp_path / name)
    with at_once(), pytest.raises(ConvblocksError, match="is a device, pipe or socket"):
        load_dataset(str(path))


@KINDS
def test_as_the_names_of_classes(make, tmp_path):
    """They were passed over in silence, and the values in the masks were the classes."""
    from PIL import Image

    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
        for i in range(20):
            values = np.arange(64, dtype=np.uint8).reshape(8, 8) % 2
            Image.fromarray(values).save(tmp_path / part / f"{i}.png")
    load_dataset(str(tmp_path))
    make(tmp_path / "classes.txt")
    with at_once(), pytest.raises(ConvblocksError, match=r"classes\.txt.*device, pipe or socket"):
        load_dataset(str(tmp_path))


@KINDS
@pytest.mark.parametrize("name", ["w.safetensors", "w.pt"])
def test_as_weights(make, name, tmp_path):
    path = make(tmp_path / name)
    with at_once(), pytest.raises(ConvblocksError, match="device, pipe or socket"):
        read_weights(path)


@KINDS
def test_as_the_configuration_of_a_saved_network(make, tmp_path):
    make(tmp_path / pretrained.CONFIG)
    with at_once(), pytest.raises(ConvblocksError, match="device, pipe or socket"):
        pretrained.from_pretrained(tmp_path)


@KINDS
def test_as_the_folder_of_a_saved_network(make, tmp_path):
    """It was looked for on the hub."""
    with at_once(), pytest.raises(ConvblocksError, match="is no folder"):
        pretrained.from_pretrained(make(tmp_path / "net"))


def test_a_name_that_no_file_can_have_is_that_of_none(tmp_path):
    for read in (open_regular, read_text):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "a\0b")
    for target in ("a\0b.py:Net", "a\0b.toml"):
        with pytest.raises(ConvblocksError, match="there is no"):
            load_target(target)


@KINDS
def test_as_a_checkpoint(make, tmp_path):
    module = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with at_once(), pytest.raises(CheckpointError):
        load_checkpoint(make(tmp_path / "0.safetensors"), module, optimizer, "trial", epochs=1)


@KINDS
@pytest.mark.parametrize("name", ["study.json", "designs.jsonl", "runs.jsonl"])
def test_as_a_record(make, name, tmp_path):
    make(tmp_path / "run" / name)
    with at_once():
        refused("report", "run", cwd=tmp_path)
    with at_once(), pytest.raises(ConvblocksError):
        load_target(f"{tmp_path / 'run'}:design")

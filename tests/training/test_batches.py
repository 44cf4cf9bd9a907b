"""Sources of batches: arrays, arrays mapped from files, and a source that reads records of a file."""

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from convblocks.data import Split
from convblocks.training import ArrayBatches, train
from convblocks.training.augment import augment
from convblocks.training.batches import epoch_seed
from tests.training.test_loop import RECIPE, bits, data, net, same


class Records:
    """A source of its own: a file of records, label after values, of which a batch's alone are read."""

    shape = (3, 6, 6)

    def __init__(self, path, split, recipe):
        kind = np.dtype([("x", np.float32, self.shape), ("y", np.int64)])
        records = np.empty(len(split), kind)
        records["x"], records["y"] = split.x, split.y
        records.tofile(path)
        self.records = np.memmap(path, kind, mode="r")
        self.recipe = recipe

    def __len__(self):
        return len(self.records) // self.recipe.batch_size

    def epoch(self, seed, epoch):
        generator = torch.Generator().manual_seed(epoch_seed(seed, epoch))
        order = torch.randperm(len(self.records), generator=generator).numpy()
        for chosen in np.split(order[: len(self) * self.recipe.batch_size], len(self)):
            read = np.array(self.records[chosen])
            x, y = (torch.from_numpy(np.ascontiguousarray(read[name])) for name in ("x", "y"))
            yield augment(x, y, self.recipe.augment, generator)


def mapped(folder, split):
    """The same arrays in files, mapped to be read alone."""
    for name in ("x", "y"):
        np.save(folder / f"{name}.npy", getattr(split, name))
    return Split(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("x", "y")))


def test_every_source_trains_to_the_same_bits(tmp_path):
    split = data(n=100)  # a batch that is not full is left out
    sources = [
        split,
        ArrayBatches(split, RECIPE.batch_size, RECIPE.augment),
        mapped(tmp_path, split),
        Records(tmp_path / "records", split, RECIPE),
    ]
    modules = [net() for _ in sources]
    progress = [
        train(module, source, data(seed=1), RECIPE, seed=0)
        for module, source in zip(modules, sources, strict=True)
    ]
    for module, each in zip(modules[1:], progress[1:], strict=True):
        assert same(bits(module), bits(modules[0]))
        assert each.epochs == progress[0].epochs


def test_a_source_of_its_own_resumes_to_the_same_bits(tmp_path):
    recipe = replace(RECIPE, optimizer="adamw", learning_rate=0.01)
    source, whole, resumed = Records(tmp_path / "records", data(), recipe), net(), net()
    train(whole, source, data(seed=1), recipe, seed=0)
    options = {"seed": 0, "checkpoint": tmp_path / "checkpoint"}
    epochs = []

    def stop(epoch):
        epochs.append(epoch)
        if len(epochs) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(net(), source, data(seed=1), recipe, **options, checkpoint_every_s=0, on_epoch=stop)
    train(resumed, source, data(seed=1), recipe, **options, on_epoch=epochs.append)
    assert len(epochs) == recipe.epochs + 1  # that of the interrupt again
    assert same(bits(resumed), bits(whole))


@pytest.mark.parametrize(("examples", "batches"), [(1, 1), (15, 1), (16, 1), (31, 1), (32, 2), (100, 6)])
def test_an_epoch_has_the_length_that_it_says(examples, batches):
    source = ArrayBatches(data(n=examples), 16)
    sizes = [len(y) for x, y in source.epoch(0, 0)]
    assert len(source) == len(sizes) == batches
    assert set(sizes) == {min(16, examples)}
    assert source.shape == (3, 6, 6)


@pytest.mark.parametrize("augmentation", ["none", "shift+flip"])
def test_an_epoch_repeats_whatever_was_drawn_in_between(augmentation):
    source = ArrayBatches(data(), 16, augmentation)
    first = list(source.epoch(3, 1))
    torch.manual_seed(0)
    next(source.epoch(3, 0))
    again, other = list(source.epoch(3, 1)), list(source.epoch(4, 1))
    assert all(torch.equal(a, b) for a, b in zip(sum(first, ()), sum(again, ()), strict=True))
    assert not torch.equal(first[0][0], other[0][0])


def test_drawing_batches_leaves_torchs_global_generator_alone():
    """Dropout and stochastic depth draw from it."""
    before = torch.get_rng_state()
    list(ArrayBatches(data(), 16, "shift+flip").epoch(0, 0))
    assert torch.equal(torch.get_rng_state(), before)

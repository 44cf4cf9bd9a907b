"""Examples as a target takes them: normalised, shuffled by the seed, turned to its axes, or random."""

import numpy as np
import pytest
import torch
from torch import nn

from convblocks.cli.examples import arranged, load_examples, random_batch
from convblocks.errors import OptionError
from convblocks.targets import Target


def target(size=None):
    return Target(module=nn.Identity(), name="net", kind="file", input_size=size)


def test_channels_have_mean_0_and_deviation_1_and_the_seed_orders_them():
    one, again, other = (load_examples(target(), "digits", seed=seed) for seed in (0, 0, 1))
    x = one.train[0]
    assert x.mean().item() == pytest.approx(0, abs=1e-5)
    assert x.std(correction=0).item() == pytest.approx(1, rel=1e-5)
    assert torch.equal(x, again.train[0])
    assert not torch.equal(x, other.train[0])
    assert (one.name, len(load_examples(target(), "digits", most=10).validation[1])) == ("digits", 10)
    assert load_examples(target(), None) is None


def test_examples_are_turned_to_the_axes():
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 12, 20)))
    assert torch.equal(arranged(x, "time,channels"), x.transpose(1, 2))
    assert torch.equal(arranged(x[:, :1], "length"), x[:, 0])
    assert arranged(x, None) is x
    with pytest.raises(OptionError, match="12"):
        arranged(x, "length")


def test_random_examples_are_those_of_the_seed_and_need_a_size():
    batch = random_batch(target((2, 5)), None, 4, seed=3)
    assert torch.equal(batch, torch.randn(4, 2, 5, generator=torch.Generator().manual_seed(3)))
    assert random_batch(target(), "1x6", 2, seed=0).shape == (2, 1, 6)
    with pytest.raises(OptionError, match="does not say its input's size"):
        random_batch(target(), None, 4, seed=0)

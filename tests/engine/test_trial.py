"""One trial against sums written out here: how it starts, which part it reads for what, what it counts."""

from hashlib import sha256

import msgspec
import numpy as np
import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import load_file

from convblocks import BlockSpec, Network, Recipe, Stage, Stem
from convblocks.data import Dataset, Split
from convblocks.engine.contracts import Trial
from convblocks.engine.trial import Trainer, start
from convblocks.errors import RunError
from convblocks.measure import describe_host
from convblocks.records import DataCard
from convblocks.runs.shared_examples import shared
from convblocks.runs.store import RunFolder
from convblocks.training import Placement, batches
from tests.made_records import make_design, make_study

NETWORK = Network(
    in_channels=2,
    classes=2,
    stem=Stem(out_channels=48, norm="none"),
    stages=(Stage(block=BlockSpec("residual", depth=2), blocks=1, out_channels=64),),
)
DESIGN = replace(make_design("residual"), network=NETWORK.to_dict())


def part(n, seed, mean, right=True):
    """Two classes told apart by their first channel's sign around `mean`; or with labels swapped."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    x = rng.normal(size=(n, 2, 4, 4)) * [[[[1.0]], [[3.0]]]] + mean
    x[:, 0] += np.where(y, 2, -2)[:, None, None]
    return Split(x.astype(np.float32), np.int64(y if right else 1 - y))


@pytest.fixture(scope="module")
def dataset():
    """Three parts that no one could take for another: other sizes, means, and labels of the test part swapped."""
    parts = part(50, 0, 5.0), part(30, 1, 5.0), part(20, 2, 4.0, right=False)
    card = DataCard(
        name="made",
        source="made",
        classes=("a", "b"),
        shape=(2, 4, 4),
        train=50,
        validation=30,
        test=20,
        split="by hand",
        preparation="none",
    )
    return Dataset(card, *parts)


class StopsAfter:
    """A listener that ends a trial after so many epochs."""

    def __init__(self, epochs):
        self.epochs, self.heard = epochs, []

    def on_epoch(self, epoch):
        self.heard.append(epoch)

    def on_notice(self, text):
        raise AssertionError(text)

    def should_stop(self, epochs):
        return len(epochs) >= self.epochs


def trained(dataset, folder, recipe, listener=None, **options):
    plan = msgspec.to_builtins(recipe)
    RunFolder(folder).save_study(replace(make_study(), data=dataset.card, recipe=plan, seeds=(0,)))
    with shared(dataset, folder / "examples") as examples:
        trainer = Trainer(examples, recipe, folder, Placement(), **options)
        return trainer(Trial(DESIGN, 0), listener or StopsAfter(100))


@pytest.fixture(scope="module")
def trial(dataset, tmp_path_factory):
    """A run, the module with its weights, and how many examples passed in training."""
    passed = []

    def counts(x, y, how, generator):
        passed.append(len(x))
        return x, y

    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "augment", counts)
        run = trained(dataset, folder, Recipe(epochs=4, batch_size=16))
    module = NETWORK.build()
    module.load_state_dict(load_file(RunFolder(folder).weights(DESIGN.name, 0)))
    return run, module.eval(), sum(passed)


def wrong(module, split):
    with torch.no_grad():
        chosen = module(torch.from_numpy(split.x)).argmax(1).numpy()
    return tuple(int(i) for i in np.flatnonzero(chosen != split.y))


def test_each_part_is_judged_by_its_own_examples(trial, dataset):
    run, module, _ = trial
    assert run.validation_errors == wrong(module, dataset.validation)
    assert run.test_errors == wrong(module, dataset.test)
    assert run.validation_score == (30 - len(run.validation_errors)) / 30
    assert run.test_score == (20 - len(run.test_errors)) / 20
    assert run.validation_score > 0.8 > 0.5 > run.test_score
    assert run.epochs[-1].validation_score == run.validation_score


def test_a_run_is_on_disk_before_anyone_hears_of_it(dataset, tmp_path):
    run = trained(dataset, tmp_path, Recipe(epochs=1, batch_size=64))
    assert RunFolder(tmp_path).runs() == [run]
    assert RunFolder(tmp_path).read_weights(run) is not None


def test_the_folder_writes_the_weights(dataset, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(RunFolder, "save_weights", lambda _, *run: written.append(run))
    run = trained(dataset, tmp_path, Recipe(epochs=1, batch_size=64))
    ((*key, content),) = written
    assert (key, sha256(content).hexdigest()) == ([DESIGN.name, 0], run.weights_sha256)


def test_inputs_are_standardised_by_the_training_part(trial, dataset):
    _, module, _ = trial
    x = dataset.train.x.astype(np.float64)
    for channel in range(2):
        values = x[:, channel].ravel()
        assert module.standardise.mean[channel].item() == pytest.approx(values.mean(), rel=1e-5)
        assert module.standardise.std[channel].item() == pytest.approx(values.std(), rel=1e-5)


def test_throughput_is_of_the_examples_trained_on(trial):
    """50 examples in batches of 16: a last one of 2 is left out."""
    run, _, passed = trial
    assert passed == 4 * 48
    assert run.timing.images_per_s == pytest.approx(passed / sum(run.timing.epoch_s))


def test_throughput_of_a_set_smaller_than_a_batch(dataset, tmp_path):
    run = trained(dataset, tmp_path, Recipe(epochs=1, batch_size=64))
    assert run.timing.images_per_s == pytest.approx(50 / sum(run.timing.epoch_s))


def test_convolutions_start_he_normal_and_differ_by_seed(dataset):
    """He et al. 2015: N(0, 2 / fan_out), fan_out = outputs × kernel area; here 64 × 9 and up to 36,864 draws."""
    module = start(DESIGN, 0, dataset.train)
    convolutions = [layer for layer in module.stages.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert len(convolutions) == 3  # two layers and the projection
    for layer in convolutions:
        fan_out = layer.out_channels * layer.kernel_size[0] * layer.kernel_size[1]
        scaled = layer.weight.detach().flatten() * (fan_out / 2) ** 0.5
        assert scaled.std().item() == pytest.approx(1, abs=0.05)
        beyond = (scaled.abs() > 1.96).double().mean().item()  # none at all if drawn uniformly
        assert beyond == pytest.approx(0.05, abs=0.015)
    assert (module.stem.conv.bias == 0).all()
    again, other = start(DESIGN, 0, dataset.train), start(DESIGN, 1, dataset.train)
    assert torch.equal(again.stem.conv.weight, module.stem.conv.weight)
    assert not torch.equal(other.stem.conv.weight, module.stem.conv.weight)


@pytest.mark.parametrize(("epochs", "stopped"), [(1, 1), (2, 2), (3, 0)])
def test_a_trial_that_is_stopped_early_is_recorded_as_such(dataset, tmp_path, epochs, stopped):
    listener = StopsAfter(epochs)
    run = trained(dataset, tmp_path, Recipe(epochs=3, batch_size=64), listener)
    assert (len(run.epochs), run.stopped) == (epochs, stopped)
    assert tuple(listener.heard) == run.epochs
    assert RunFolder(tmp_path).runs() == [run]


class DiesAfter:
    """A listener that ends the process, as it were, after so many epochs, and keeps the notices."""

    def __init__(self, epochs):
        self.left, self.notices = epochs, []

    def on_epoch(self, epoch):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt

    def on_notice(self, text):
        self.notices.append(text)

    def should_stop(self, epochs):
        return False


@pytest.mark.parametrize(
    ("change", "afresh"),
    [
        ({}, False),
        ({"cpu": "Another (AVX512)"}, True),
        ({"versions": {"torch": "1.0"}}, True),
        ({"cores": 99}, False),
    ],
)
def test_a_checkpoint_serves_only_the_processor_and_torch_that_wrote_it(
    dataset, tmp_path, monkeypatch, change, afresh
):
    recipe = Recipe(epochs=3, batch_size=64)
    with pytest.raises(RunError):
        trained(dataset, tmp_path, recipe, DiesAfter(2), checkpoint_every_s=0)
    host = describe_host("cpu")
    monkeypatch.setattr("convblocks.engine.trial.describe_host", lambda device: replace(host, **change))
    again = DiesAfter(4)
    assert len(trained(dataset, tmp_path, recipe, again).epochs) == 3
    assert [("afresh" in text) for text in again.notices] == [True] * afresh
    assert again.left == (1 if afresh else 2)

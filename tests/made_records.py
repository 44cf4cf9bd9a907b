"""Records as a study would leave them, with known accuracies."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from convblocks.records import DataCard, Design, Epoch, Host, Latency, Run, RunTiming, Study
from tests.compared import finish

EXAMPLES = 400


def make_design(name, depth=8, macs=1_000_000, norms=(1.0, 1.0)):
    return Design(
        name=f"{name}-d{depth}",
        family=name,
        block_depth=2,
        blocks=depth // 2,
        groups=1,
        stack_depth=depth,
        widths=(8, 16),
        network={},
        params=1000,
        macs=macs,
        activations=10,
        activation_bytes=40,
        receptive_field=((1, -4, 4), (1, -4, 4)),
        gradient_norms=norms,
    )


def make_run(design, seed, accuracy, *, train=None, failure=""):
    """A run of that accuracy on both parts; the same examples are hard for everyone."""
    rng = np.random.default_rng([seed, int(1000 * accuracy), design.stack_depth])
    hard = np.argsort(np.arange(EXAMPLES) + rng.normal(0, 3, EXAMPLES))[: round(EXAMPLES * (1 - accuracy))]
    errors = tuple(sorted(int(i) for i in hard))
    epochs = [
        Epoch(train_loss=1.0, train_score=0.5, validation_score=accuracy / 2),
        Epoch(train_loss=0.1, train_score=accuracy if train is None else train, validation_score=accuracy),
    ]
    return Run(
        design=design.name,
        seed=seed,
        epochs=tuple(epochs),
        validation_errors=errors,
        test_errors=errors,
        validation_score=1 - len(errors) / EXAMPLES,
        test_score=1 - len(errors) / EXAMPLES,
        weights_sha256="0" * 64,
        timing=RunTiming(epoch_s=(1.0, 2.0), images_per_s=100.0),
        failure=failure,
    )


def make_latency(design, ms):
    return Latency(
        design=design.name,
        batch=1,
        threads=1,
        repeats=9,
        median_ms=ms,
        lower_ms=0.98 * ms,
        upper_ms=1.02 * ms,
    )


@pytest.fixture(scope="session")
def few_digits(tmp_path_factory):
    """Zeros to threes, 720 scans."""
    x, y = load_digits(return_X_y=True)
    path = tmp_path_factory.mktemp("data") / "few.npz"
    np.savez(path, x=x[y < 4].reshape(-1, 8, 8).astype(np.float32), y=y[y < 4])
    return path


@pytest.fixture(scope="session")
def undisturbed(few_digits, tmp_path_factory):
    """Run folder and output of a compare that nothing happened to."""
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    return out, finish(few_digits, out)


@pytest.fixture
def study():
    return make_study()


def make_study():
    card = DataCard(
        name="made",
        source="made",
        classes=("a", "b"),
        shape=(1, 8, 8),
        train=800,
        validation=EXAMPLES,
        test=EXAMPLES,
        split="by hand",
        preparation="none",
    )
    host = Host(cpu="x", cores=2, memory_bytes=1, system="y", device="cpu", versions={})
    return Study(
        name="made",
        command="convblocks compare",
        started="2026-01-01T00:00:00+00:00",
        data=card,
        depths=(8, 56),
        stages=2,
        match="macs",
        budget=1_000_000,
        seeds=(0, 1, 2),
        recipe={"epochs": 2},
        threads=1,
        workers=2,
        host=host,
    )


def runs_of(design, *accuracies, **options):
    """Returns a run for each accuracy, with seeds from 0."""
    return [make_run(design, seed, accuracy, **options) for seed, accuracy in enumerate(accuracies)]


def text_of(summary):
    """Returns the headline and paragraphs of a summary as one line."""
    return " ".join(
        (summary.headline, *(f"{lead}: {paragraph}" for lead, paragraph in summary.paragraphs))
    ).replace("\N{NO-BREAK SPACE}", " ")

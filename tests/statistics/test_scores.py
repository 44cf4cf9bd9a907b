"""Scores of mean IoU per example: their mean, their spread against the bootstrap, guessing against simulation."""

import numpy as np
import pytest
from msgspec.structs import replace
from scipy.optimize import minimize

from convblocks.records import Run, RunTiming
from convblocks.statistics.estimates import could_be_blind, estimate
from convblocks.statistics.scores import blind_score, scores
from tests.made_records import make_study

CLASSES, PIXELS = 4, 100


def tables(n, seed):
    """I, U and T of n examples, whose classes are of unlike sizes and hardness."""
    rng = np.random.default_rng(seed)
    label = rng.dirichlet([8, 4, 2, 1], n).cumsum(1)
    y = (np.linspace(0, 1, PIXELS)[None, :, None] > label[:, None, :-1]).sum(2)
    wrong = rng.random((n, PIXELS)) < rng.beta(2, 6, (n, 1)) * (1 + y) / 2
    answers = np.where(wrong, rng.integers(0, CLASSES, y.shape), y)
    a, b = (np.stack([values == c for c in range(CLASSES)], 1) for values in (answers, y))
    return (a & b).sum(2), (a | b).sum(2), b.sum(2)


def make(n, seed):
    both, either, labelled = tables(n, seed)
    rows = tuple(
        (i, c, int(both[i, c]), int(either[i, c])) for i in range(n) for c in range(CLASSES) if either[i, c]
    )
    timing = RunTiming(epoch_s=(), images_per_s=1)
    run = Run(
        design="a",
        seed=0,
        epochs=(),
        validation_overlaps=rows,
        test_overlaps=rows,
        validation_score=0,
        test_score=0,
        weights_sha256="",
        timing=timing,
    )
    pixels = tuple(labelled.sum(0).tolist())
    card = replace(
        make_study().data,
        classes=tuple("abcd"),
        validation=n,
        test=n,
        task="segment",
        pixels={"validation": pixels, "test": pixels},
    )
    return run, card, both, either


def test_the_mean_is_mean_iou():
    run, card, both, either = make(50, 0)
    expected = np.mean([both[:, c].sum() / either[:, c].sum() for c in range(CLASSES)])
    assert scores([run], "validation", card).mean() == pytest.approx(expected, abs=1e-12)


def test_a_class_without_labels_does_not_count():
    run, card, both, either = make(50, 0)
    card = replace(card, pixels={"validation": (*card.pixels["validation"][:3], 0)})
    expected = np.mean([both[:, c].sum() / either[:, c].sum() for c in range(3)])
    assert scores([run], "validation", card).mean() == pytest.approx(expected, abs=1e-12)


def test_the_spread_over_examples_is_the_bootstraps():
    run, card, both, either = make(150, 1)
    found = estimate(scores([run], "test", card))
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, 150, 150) for _ in range(4000)]
    resampled = [(both[i].sum(0) / either[i].sum(0)).mean() for i in drawn]
    assert np.sqrt(found.example_variance / 150) == pytest.approx(np.std(resampled), rel=0.05)


def test_a_paired_difference_has_the_bootstraps_spread_too():
    one, card, both, either = make(150, 1)
    other, _, both_2, either_2 = make(150, 1)
    worse = tuple((i, c, int(0.9 * both), either) for i, c, both, either in other.validation_overlaps)
    other = replace(other, validation_overlaps=worse)
    both_2 = (0.9 * both_2).astype(int)
    found = estimate(scores([one], "validation", card) - scores([other], "validation", card))
    rng = np.random.default_rng(0)
    resampled = [
        (both[i].sum(0) / either[i].sum(0)).mean() - (both_2[i].sum(0) / either_2[i].sum(0)).mean()
        for i in (rng.integers(0, 150, 150) for _ in range(4000))
    ]
    assert found.mean == pytest.approx(np.mean(resampled), rel=0.02)
    assert np.sqrt(found.example_variance / 150) == pytest.approx(np.std(resampled), rel=0.05)


@pytest.mark.parametrize("shares", [(25, 25, 25, 25), (85, 5, 5, 5), (60, 30, 9, 1), (50, 50, 0, 0)])
def test_no_blind_guess_does_better(shares):
    card = replace(make_study().data, classes=tuple("abcd"), task="segment", pixels={"validation": shares})
    p = np.array([n for n in shares if n]) / 100

    def iou(logits):
        q = np.exp(logits) / np.exp(logits).sum()
        return (p * q / (p + q - p * q)).mean()

    best = max(-minimize(lambda z: -iou(z), start).fun for start in (np.zeros(len(p)), np.log(p)))
    assert blind_score(card) == pytest.approx(best, abs=1e-6)


def test_what_a_blind_guess_can_do_is_no_evidence():
    rng = np.random.default_rng(0)
    found = rng.normal(0, 0.05, (3, 100))
    found += 0.1 - found.mean()
    error = found.mean(0).std(ddof=1) / 10  # p = 0.05 at 1.66 of these, 0.01 at 2.36
    assert could_be_blind(found, 0.1, tries=5)
    assert not could_be_blind(found + 0.05, 0.1, tries=5)
    assert could_be_blind(found + 2 * error, 0.1, tries=5)  # alone it would tell
    assert not could_be_blind(found + 2 * error, 0.1, tries=1)

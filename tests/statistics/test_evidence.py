"""Data that do not tell: no recommendation from noise, and what is said instead."""

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from convblocks.statistics.estimates import Estimate, could_be_guessed, estimate, seeds_to_bound
from convblocks.statistics.evidence import LOSS
from convblocks.statistics.summary import summarise
from tests.made_records import make_design, make_latency, make_run, runs_of


def headline(summary):
    return summary.headline.replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def pair(study):
    """Judges designs a and b with these accuracies and latencies."""

    def judge(a, b, times=(3.0, 1.0), classes="0123456789"):
        designs = [make_design("a"), make_design("b")]
        runs = runs_of(designs[0], *a) + runs_of(designs[1], *b)
        card = replace(study.data, classes=tuple(classes))
        latencies = [make_latency(d, ms) for d, ms in zip(designs, times, strict=True)]
        return summarise(replace(study, data=card, seeds=range(len(a))), designs, runs, latencies)

    return judge


@pytest.mark.parametrize("times", [(3.0, 1.0), (1.0, 3.0)])
def test_two_seeds_far_apart_recommend_neither_the_cheaper_nor_the_better(pair, times):
    summary = pair((0.90, 0.70), (0.60, 0.85), times)
    chosen, rival = ("b", "a") if times[1] < times[0] else ("a", "b")
    assert [row.verdict for row in summary.rows] == ["best", "within noise"]
    assert (summary.recommended, summary.conclusive) == (f"{chosen}-d8", False)
    assert headline(summary).startswith(
        f"These data do not tell which design to use: {chosen}-d8 is the cheapest of those not measurably "
        "worse, but may be "
    )
    assert f"points behind {rival}-d8. Run again with more seeds, about " in headline(summary)


def test_a_bounded_loss_is_recommended(pair):
    summary = pair((0.98, 0.98, 0.985), (0.978, 0.98, 0.98))
    assert summary.conclusive
    assert headline(summary).startswith("Use b-d8: the cheapest")


@pytest.mark.parametrize(("loss", "told"), [(0.049, True), (0.051, False)])
def test_the_loss_that_matters_is_at_the_interval_s_end(pair, monkeypatch, loss, told):
    monkeypatch.setattr(
        "convblocks.statistics.comparison.estimate",
        lambda right: Estimate(right.mean(), 3, 400, 1e-30, ((loss - 0.005) / 1.97) ** 2 * 400),
    )
    summary = pair((0.985,) * 3, (0.98,) * 3)
    assert -summary.rows[1].validation_difference.low == pytest.approx(loss, abs=5e-4)
    assert summary.conclusive == told
    assert LOSS == 0.05


def test_where_examples_are_too_few_more_of_them_are_asked_for(pair, monkeypatch):
    monkeypatch.setattr(
        "convblocks.statistics.comparison.estimate", lambda right: Estimate(-0.01, 3, 400, 1e-6, 1.0)
    )
    assert "Run again with more than 400 validation examples." in headline(pair((0.985,) * 3, (0.98,) * 3))


def test_a_design_that_fails_with_some_seeds_is_no_rival(study):
    """Nothing is known of the third but that it is far less accurate: it raises no doubt about the other two."""
    designs = [make_design(name) for name in "abc"]
    accuracies = ((0.98, 0.98, 0.985), (0.978, 0.98, 0.98), (0.98, 0.7, 0.4))
    runs = [run for design, found in zip(designs, accuracies, strict=True) for run in runs_of(design, *found)]
    summary = summarise(
        study, designs, runs, [make_latency(d, ms) for d, ms in zip(designs, (3, 1, 2), strict=True)]
    )
    assert [row.verdict for row in summary.rows] == ["best", "within noise", "within noise"]
    assert (summary.recommended, summary.conclusive) == ("b-d8", True)


def test_a_design_alone_in_front_has_no_rival(pair):
    summary = pair((0.985, 0.98, 0.985), (0.60, 0.61, 0.60))
    assert summary.conclusive
    assert headline(summary).startswith("Use a-d8")


def test_what_guessing_can_do_is_no_evidence(pair):
    summary = pair((0.52, 0.49, 0.51), (0.51, 0.5, 0.49), classes="ab")
    assert (summary.recommended, summary.conclusive) == ("b-d8", False)
    assert "even the best, a-d8, has only 50.7 % validation accuracy, as guessing among 2 classes can" in (
        headline(summary)
    )
    assert "b-d8 is merely the cheapest of those not measurably worse." in headline(summary)
    assert pair((0.52, 0.49, 0.51), (0.51, 0.5, 0.49)).conclusive  # much, among ten classes


def test_the_best_of_several_guesses_is_no_evidence_either(pair):
    """219 of 400 are more than one guess in twenty gets right, and less than the better of two does."""
    assert 0.025 < stats.binom.sf(218, 400, 0.5) < 0.05
    assert "as guessing" in headline(pair((0.5475,) * 3, (0.5,) * 3, classes="ab"))


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("classes", [2, 10])
def test_ten_designs_that_guess_seldom_seem_to_have_learned(alike, classes):
    """Whether seeds and designs guess alike or not; simulated, at most 5 % and three standard errors."""
    rng = np.random.default_rng(6)
    learned = 0
    for _ in range(400):
        shared = rng.random((10, 1, 100))
        own = rng.random((10, 3, 100))
        guesses = np.where(rng.random((10, 3, 100)) < alike, shared, own) < 1 / classes
        learned += not could_be_guessed(guesses.mean((1, 2)).max(), 100, 1 / classes, 10)
    assert learned / 400 < 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


def test_what_one_run_proves_needs_no_other():
    assert not could_be_guessed(0.73, 100, 0.5, 1)  # exact binomial test: p = 2e-6
    assert could_be_guessed(0.58, 100, 0.5, 1)  # p = 0.067
    assert not could_be_guessed(0.59, 100, 0.5, 1)  # p = 0.044
    assert could_be_guessed(0.59, 100, 0.5, 2)


@pytest.mark.parametrize("mean", [-0.01, -0.08])
def test_seeds_that_bound_the_loss_or_show_it_are_the_t_interval_s(mean):
    found = seeds_to_bound(Estimate(mean, 2, 400, 0.05**2, 0.0), LOSS)

    def ends(seeds):
        return stats.t.interval(0.95, seeds - 1, mean, 0.05 / seeds**0.5)

    def told(seeds):
        low, high = ends(seeds)
        return low > -LOSS or high < 0

    assert told(found)
    assert not told(found - 1)


def test_no_number_of_seeds_bounds_a_loss_that_few_examples_leave_open():
    assert seeds_to_bound(Estimate(-0.01, 3, 50, 1e-4, 0.25), LOSS) is None
    assert seeds_to_bound(estimate(np.zeros((2, 50))), LOSS) is None  # 3 of 50 may yet differ


def test_a_design_that_was_asked_for_alone_is_not_called_unfinished(study):
    a, b = make_design("a"), make_design("b")
    runs = [make_run(a, seed, 0.98) for seed in range(3)]
    unmatched = replace(b, problem="needs 0.4 channels")
    for designs in ([a], [a, unmatched]):
        assert headline(summarise(study, designs, runs, [])).startswith(
            "a-d8 is the only design, so there is"
        )
    summary = summarise(study, [a, b], runs, [])
    assert headline(summary).startswith("Only a-d8 is finished")
    assert (summary.recommended, summary.conclusive) == (None, False)

"""The recommendation: chosen by validation accuracy and cost, in words that the figures carry."""

import msgspec
import pytest
from msgspec.structs import replace

from convblocks.records import Interval, Run, Summary
from convblocks.statistics.comparison import Comparison
from convblocks.statistics.estimates import Estimate
from convblocks.statistics.recommendation import _to_tell_apart
from convblocks.statistics.summary import summarise
from tests.made_records import make_design, make_latency, make_run


def runs_of(design, *accuracies, **options):
    return [make_run(design, seed, accuracy, **options) for seed, accuracy in enumerate(accuracies)]


def text(summary):
    return " ".join((summary.headline, *(f"{lead}: {words}" for lead, words in summary.paragraphs))).replace(
        "\N{NO-BREAK SPACE}", " "
    )


def test_the_cheapest_of_the_equal_ones_is_recommended(study):
    best, equal, worse = (make_design(name) for name in ("best", "equal", "worse"))
    runs = (
        runs_of(best, 0.98, 0.98, 0.985)
        + runs_of(equal, 0.978, 0.98, 0.98)
        + runs_of(worse, 0.80, 0.79, 0.81)
    )
    times = [make_latency(best, 3.0), make_latency(equal, 2.0), make_latency(worse, 1.0)]
    summary = summarise(study, [best, equal, worse], runs, times)
    assert summary.recommended == "equal-d8"
    assert {row.design: row.verdict for row in summary.rows} == {
        "best-d8": "best",
        "equal-d8": "within noise",
        "worse-d8": "worse",
    }
    assert (
        summary.headline
        == "Use equal-d8: the cheapest design that is not significantly worse than the best, best-d8."
    )
    assert "Worse: Significantly so on validation data, each tested alone at 95 %: worse-d8 (−1" in text(
        summary
    )
    assert "After Holm's correction for 2 comparisons all of them remain significantly worse." in text(
        summary
    )
    assert "To tell more: Telling it from best-d8 with 80 % power" in text(summary)
    assert "validation examples instead of 400, and more than 1,000 seeds." in text(summary)


def test_what_holm_s_correction_leaves_uncertain_is_said_and_not_chosen(study):
    best, far, near = (make_design(name) for name in ("best", "far", "near"))
    runs = (
        runs_of(best, 0.95, 0.95, 0.955) + runs_of(far, 0.30, 0.31, 0.30) + runs_of(near, 0.935, 0.90, 0.92)
    )
    times = [make_latency(best, 3.0), make_latency(far, 1.0), make_latency(near, 1.0)]
    summary = summarise(study, [best, far, near], runs, times)
    rows = {row.design: row for row in summary.rows}
    assert {name: row.verdict for name, row in rows.items()} == {
        "best-d8": "best",
        "far-d8": "worse",
        "near-d8": "perhaps worse",
    }
    assert summary.recommended == "best-d8"
    assert rows["near-d8"].p_value < 0.05 < rows["near-d8"].p_holm
    assert rows["far-d8"].p_value < rows["far-d8"].p_holm < 0.05
    assert rows["best-d8"].p_holm is None
    assert "Among 3 equally good designs chance alone can make some look worse." in text(summary)
    assert "for 2 comparisons there remain far-d8 significantly worse." in text(summary)


def test_what_no_correction_leaves_is_headed_perhaps_worse(study):
    best, low, near = (make_design(name) for name in ("best", "low", "near"))
    runs = (
        runs_of(best, 0.95, 0.95, 0.955) + runs_of(low, 0.93, 0.90, 0.92) + runs_of(near, 0.935, 0.90, 0.92)
    )
    summary = summarise(study, [best, low, near], runs, [])
    assert [row.verdict for row in summary.rows] == ["best", "perhaps worse", "perhaps worse"]
    assert (
        "Perhaps worse: They came out worse on validation data, each tested alone at 95 %: low-d8 ("
        in text(summary)
    )
    assert "none of them remains significantly worse" in text(summary)
    assert "Significantly so" not in text(summary)


def gap_of(mean, examples, seed_variance, example_variance, *, name):
    gap = Estimate(mean, 3, examples, seed_variance, example_variance)
    return Comparison(make_design(name), [], None, None, None, gap, verdict="within noise")


def to_tell_more(*judged):
    best = Comparison(make_design("best"), [], None, None, None, verdict="best")
    return _to_tell_apart([best, *judged], best).replace("\N{NO-BREAK SPACE}", " ")


def test_what_would_tell_more_is_never_what_there_was():
    asked = to_tell_more(gap_of(-0.264, 36, 1e-3, 0.32, name="a"))
    assert "a-d8 (26.4 points) about 39 validation examples instead of 36, and about 5 seeds." in asked
    assert "smaller gap" not in asked
    seeds = to_tell_more(gap_of(-0.0136, 333, 0.00783, 0.00529, name="a"))  # examples alone were enough
    assert seeds.endswith("takes for a-d8 (1.4 points) more than 1,000 seeds.")


def test_a_smaller_gap_that_takes_fewer_examples_is_explained():
    wide, narrow = (
        gap_of(-0.052, 100, 1e-4, 0.16, name="wide"),
        gap_of(-0.031, 100, 1e-4, 0.025, name="narrow"),
    )
    assert to_tell_more(wide, narrow).endswith(
        "A smaller gap takes fewer examples where it varies less from example to example."
    )


def test_a_single_comparison_needs_no_correction(study):
    best, near = make_design("best"), make_design("near")
    runs = runs_of(best, 0.95, 0.95, 0.955) + runs_of(near, 0.915, 0.90, 0.91)
    summary = summarise(study, [best, near], runs, [])
    row = summary.rows[1]
    assert row.p_holm == row.p_value < 0.05
    assert row.verdict == "worse"
    assert "Worse: Significantly so on validation data: near-d8" in text(summary)
    assert "Holm" not in text(summary)


def test_no_difference_on_any_example_is_not_certainty(study):
    best, same = make_design("best"), make_design("same")
    runs = runs_of(best, 0.98, 0.98, 0.98)
    summary = summarise(
        study,
        [best, same],
        runs + [replace(run, design="same-d8") for run in runs],
        [make_latency(best, 3.0), make_latency(same, 1.0)],
    )
    assert summary.rows[0].validation_difference == Interval(0.0, -3 / 400, 3 / 400)
    assert (summary.rows[0].p_value, summary.rows[0].verdict) == (1.0, "within noise")


def test_latencies_within_each_other_s_quartiles_are_a_tie_that_accuracy_decides(study):
    a, b = make_design("a"), make_design("b")
    runs = runs_of(a, 0.98, 0.98, 0.985) + runs_of(b, 0.978, 0.98, 0.98)
    summary = summarise(study, [a, b], runs, [make_latency(a, 2.01), make_latency(b, 2.0)])
    assert summary.recommended == "a-d8"
    assert (
        summary.headline
        == "Use a-d8: it has the best accuracy, and none within its noise is measurably cheaper."
    )


def test_wide_quartiles_do_not_make_a_slow_design_as_cheap_as_a_fast_one(study):
    """As on a busy machine: the slower one's quartiles reach into the faster one's, its median does not."""
    slow, fast = make_design("slow"), make_design("fast")
    runs = runs_of(slow, 0.98, 0.98, 0.985) + runs_of(fast, 0.978, 0.98, 0.98)
    times = [
        replace(make_latency(slow, 1.9), lower_ms=1.6, upper_ms=6.0),
        replace(make_latency(fast, 1.0), lower_ms=0.9, upper_ms=1.7),
    ]
    assert summarise(study, [slow, fast], runs, times).recommended == "fast-d8"


def test_test_accuracies_never_choose(study):
    a, b = make_design("a"), make_design("b")
    runs = runs_of(a, 0.95, 0.96, 0.95) + runs_of(b, 0.93, 0.94, 0.93)
    turned = [replace(run, test_errors=()) if run.design == "b-d8" else run for run in runs]
    times = [make_latency(a, 2.0), make_latency(b, 2.5)]
    before, after = (summarise(study, [a, b], r, times) for r in (runs, turned))
    assert before.recommended == after.recommended == "a-d8"
    assert [row.verdict for row in before.rows] == [row.verdict for row in after.rows]
    assert after.rows[1].test.estimate == 1.0


def test_loss_of_trainability_is_told_from_overfitting(study):
    shallow, deep = make_design("plain"), make_design("plain", 56, norms=(1762.0, 1.0))
    base = runs_of(shallow, 0.98, 0.98, 0.975)
    untrained = summarise(study, [shallow, deep], base + runs_of(deep, 0.40, 0.35, 0.45), [])
    assert "Deeper plain: plain loses 57.8 points" in text(untrained)
    assert "it fails to train: its training accuracy falls as well, from 97.8 % to 40.0 %" in text(untrained)
    assert "1800 times its last one's at depth 56, 1.0 times at depth 8" in text(untrained)
    overfitted = summarise(study, [shallow, deep], base + runs_of(deep, 0.40, 0.35, 0.45, train=0.999), [])
    assert "plain loses" in text(overfitted)
    assert "fails to train" not in text(overfitted)
    assert "It overfits more: its training accuracy does not fall, from 97.8 % to 99.9 %." in text(overfitted)


@pytest.mark.parametrize(
    ("trained", "said"),
    [
        ((0.98, 0.98, 0.98), "its training accuracy does not fall, from 98.0 % to 98.0 %"),
        ((0.95, 0.95, 0.95), "It overfits more: its training accuracy falls by only 3.0 points"),
        ((0.86, 0.88, 0.87), "It overfits more: its training accuracy falls by only 11.0 points"),
        ((0.65, 0.66, 0.66), "Mostly it does not overfit, it fails to train"),
        ((0.95, 0.80, 0.65), "changes by −18.0 [−55.3, +19.3] points"),  # more than half, but by chance
        ((0.88, 0.84, 0.86), "too uncertain to tell a failure to train from overfitting"),  # less than half?
    ],
)
def test_a_failure_to_train_needs_half_of_the_fall(study, trained, said):
    """Validation accuracy falls by 30 points."""
    shallow, deep = make_design("plain"), make_design("plain", 56)
    runs = runs_of(shallow, 0.97, 0.97, 0.97, train=0.98)
    for seed, (accuracy, train) in enumerate(zip((0.67, 0.66, 0.68), trained, strict=True)):
        runs.append(make_run(deep, seed, accuracy, train=train))
    words = text(summarise(study, [shallow, deep], runs, []))
    assert said in words
    assert ("fails to train" in words) == ("fails to train" in said)


def test_each_design_s_own_depths_are_named(study):
    """The deep plain stack could not be matched, so plain stops at 20 layers."""
    designs = [make_design("plain", d) for d in (8, 20)] + [make_design("residual", d) for d in (8, 56)]
    runs = [run for design in designs for run in runs_of(design, 0.98, 0.98, 0.975)]
    words = text(summarise(study, designs, runs, []))
    assert "No significant change from stack depth 8 to 20: plain (" in words
    assert "Each of the 2 changes is tested alone at 95 %, without a correction for their number" in words
    assert "No significant change from stack depth 8 to 56: residual (" in words


def test_what_depth_changes_is_told_from_validation_data(study):
    """Test data says the opposite: perfect at 56 layers, all wrong at 8."""
    shallow, deep = make_design("plain"), make_design("plain", 56)
    runs = [replace(r, test_errors=tuple(range(400))) for r in runs_of(shallow, 0.98, 0.98, 0.975)]
    runs += [replace(r, test_errors=()) for r in runs_of(deep, 0.40, 0.35, 0.45)]
    assert "plain loses 57.8 points of validation accuracy" in text(
        summarise(study, [shallow, deep], runs, [])
    )


def test_the_pareto_front_is_drawn_from_validation_data(study):
    slow, fast = make_design("slow"), make_design("fast")
    runs = [replace(r, test_errors=(0, 1, 2, 3)) for r in runs_of(slow, 0.98, 0.98, 0.975)]
    runs += [replace(r, test_errors=()) for r in runs_of(fast, 0.90, 0.91, 0.90)]
    summary = summarise(study, [slow, fast], runs, [make_latency(slow, 2.0), make_latency(fast, 1.0)])
    assert [row.pareto for row in summary.rows] == [True, True]  # by test accuracy fast beats slow in both


def test_no_claim_of_degradation_where_there_is_none(study):
    shallow, deep = make_design("residual"), make_design("residual", 56)
    runs = runs_of(shallow, 0.98, 0.98, 0.975) + runs_of(deep, 0.978, 0.982, 0.977)
    summary = summarise(study, [shallow, deep], runs, [])
    assert "loses" not in text(summary)
    assert "tested alone" not in text(summary)  # a single change needs no correction
    assert "No significant change from stack depth 8 to 56: residual" in text(summary)


def test_one_seed_recommends_nothing(study):
    a, b = make_design("a"), make_design("b")
    summary = summarise(study, [a, b], runs_of(a, 0.9) + runs_of(b, 0.8), [])
    assert summary.recommended is None
    assert "one seed is no evidence" in summary.headline
    assert [row.verdict for row in summary.rows] == [
        "best",
        "unfinished",
    ]  # two of its three seeds are to come
    single = summarise(replace(study, seeds=(0,)), [a, b], runs_of(a, 0.9) + runs_of(b, 0.8), [])
    assert [row.verdict for row in single.rows] == ["best", "one seed"]
    assert [row.p_holm for row in single.rows] == [None, None]


def test_nothing_finished(study):
    summary = summarise(study, [make_design("a")], [], [])
    assert summary.rows == ()
    assert "No run has finished yet" in summary.headline


def test_what_is_missing_and_what_failed_is_said(study):
    a, b, c = make_design("a"), make_design("b"), make_design("c")
    failed = make_run(b, 2, 0.5, failure="the loss became nan in epoch 2")
    runs = runs_of(a, 0.98, 0.97, 0.98) + runs_of(b, 0.6, 0.5) + [failed] + runs_of(c, 0.97)
    summary = summarise(study, [a, b, c], runs, [])
    assert "b-d8 with seed 2 (the loss became nan in epoch 2)" in text(summary)
    assert "Not all 3 seeds are finished for c-d8" in text(summary)
    assert {row.design: row.verdict for row in summary.rows}["c-d8"] == "unfinished"


def test_seconds_to_the_target_and_the_pareto_front(study):
    fast, good, poor = (make_design(name) for name in ("fast", "good", "poor"))
    runs = runs_of(fast, 0.90, 0.90, 0.91) + runs_of(good, 0.98, 0.98, 0.98) + runs_of(poor, 0.89, 0.90, 0.89)
    times = [make_latency(fast, 1.0), make_latency(good, 2.0), make_latency(poor, 3.0)]
    summary = summarise(study, [fast, good, poor], runs, times)
    rows = {row.design: row for row in summary.rows}
    assert summary.target_score == 0.96
    assert (rows["good-d8"].seconds_to_target, rows["good-d8"].reached) == (3.0, 3)
    assert (rows["fast-d8"].seconds_to_target, rows["fast-d8"].reached) == (None, 0)
    assert {name: row.pareto for name, row in rows.items()} == {
        "fast-d8": True,
        "good-d8": True,
        "poor-d8": False,
    }


def test_every_summary_survives_its_file(study):
    """JSON has no NaN: one seed, a loss that became NaN and a design without a common seed must still read back."""
    a, b, c = make_design("a"), make_design("b", norms=(1.0, None)), make_design("c")
    lost = make_run(b, 0, 0.5, failure="the loss became nan in epoch 2")
    lost = replace(lost, epochs=(lost.epochs[0], replace(lost.epochs[1], train_loss=None)))
    runs = [make_run(a, 0, 0.98), lost, make_run(c, 1, 0.9)]
    for kept in (runs[:1], runs[:2], runs):
        summary = summarise(study, [a, b, c], kept, [])
        assert msgspec.json.decode(msgspec.json.encode(summary), type=Summary) == summary
        for run in kept:
            assert msgspec.json.decode(msgspec.json.encode(run), type=Run) == run


def test_cost_is_never_ms_for_some_designs_and_macs_for_others(study):
    """A design without a latency would cost a million times as much."""
    a, b = replace(make_design("a"), macs=2_000_000), replace(make_design("b"), macs=1_000_000)
    runs = runs_of(a, 0.98, 0.98, 0.985) + runs_of(b, 0.98, 0.98, 0.98)
    summary = summarise(study, [a, b], runs, [make_latency(a, 1.0)])
    assert (summary.cost, summary.recommended) == ("macs", "b-d8")
    assert "b-d8 takes 1,000,000 MACs for one example, a-d8 2,000,000 MACs" in text(summary)
    assert summarise(study, [a, b], runs, [make_latency(a, 1.0), make_latency(b, 2.0)]).cost == "latency"


@pytest.mark.parametrize(
    ("times", "front"),
    [
        ((2.0, 2.01), {"better-d8"}),  # the clock does not tell them apart, validation does
        ((2.0, 2.2), {"better-d8", "quicker-d8"}),
        ((2.0, 1.0), {"better-d8"}),
    ],
)
def test_the_front_has_the_same_ties_as_the_recommendation(study, times, front):
    quicker, better = make_design("quicker"), make_design("better")
    runs = runs_of(quicker, 0.975, 0.98, 0.98) + runs_of(better, 0.98, 0.985, 0.985)
    latencies = [make_latency(quicker, times[0]), make_latency(better, times[1])]
    summary = summarise(study, [quicker, better], runs, latencies)
    assert {row.design for row in summary.rows if row.pareto} == front
    assert summary.recommended == ("quicker-d8" if len(front) == 2 else "better-d8")


def test_equal_scores_and_costs_leave_both_on_the_front(study):
    a, b, dear = make_design("a"), make_design("b"), make_design("dear")
    runs = [run for design in (a, b, dear) for run in runs_of(design, 0.98, 0.98, 0.98)]
    times = [make_latency(a, 2.0), make_latency(b, 2.01), make_latency(dear, 3.0)]
    rows = summarise(study, [a, b, dear], runs, times).rows
    assert [row.pareto for row in rows] == [True, True, False]

"""The recommendation in text: the headline, the verdicts that Holm's correction leaves, and what would tell more."""

from msgspec.structs import replace

from convblocks.statistics.comparison import Comparison
from convblocks.statistics.estimates import Estimate
from convblocks.statistics.recommendation import _to_tell_apart
from convblocks.statistics.summary import summarise
from tests.made_records import make_design, make_latency, make_run, runs_of, text_of


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
    assert "Worse: Significantly so on validation data, each tested alone at 95 %: worse-d8 (−1" in text_of(
        summary
    )
    assert "After Holm's correction for 2 comparisons all of them remain significantly worse." in text_of(
        summary
    )
    assert "To tell more: Telling it from best-d8 with 80 % power" in text_of(summary)
    assert "validation examples instead of 400, and more than 1,000 seeds." in text_of(summary)


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
    assert "Among 3 equally good designs chance alone can make some look worse." in text_of(summary)
    assert "for 2 comparisons there remain far-d8 significantly worse." in text_of(summary)


def test_what_no_correction_leaves_is_headed_perhaps_worse(study):
    best, low, near = (make_design(name) for name in ("best", "low", "near"))
    runs = (
        runs_of(best, 0.95, 0.95, 0.955) + runs_of(low, 0.93, 0.90, 0.92) + runs_of(near, 0.935, 0.90, 0.92)
    )
    summary = summarise(study, [best, low, near], runs, [])
    assert [row.verdict for row in summary.rows] == ["best", "perhaps worse", "perhaps worse"]
    assert (
        "Perhaps worse: They came out worse on validation data, each tested alone at 95 %: low-d8 ("
        in text_of(summary)
    )
    assert "none of them remains significantly worse" in text_of(summary)
    assert "Significantly so" not in text_of(summary)


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
    assert "Worse: Significantly so on validation data: near-d8" in text_of(summary)
    assert "Holm" not in text_of(summary)


def test_latencies_within_each_other_s_quartiles_are_a_tie_that_accuracy_decides(study):
    a, b = make_design("a"), make_design("b")
    runs = runs_of(a, 0.98, 0.98, 0.985) + runs_of(b, 0.978, 0.98, 0.98)
    summary = summarise(study, [a, b], runs, [make_latency(a, 2.01), make_latency(b, 2.0)])
    assert summary.recommended == "a-d8"
    assert (
        summary.headline
        == "Use a-d8: it has the best accuracy, and none within its noise is measurably cheaper."
    )


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
    assert "b-d8 with seed 2 (the loss became nan in epoch 2)" in text_of(summary)
    assert "Not all 3 seeds are finished for c-d8" in text_of(summary)
    assert {row.design: row.verdict for row in summary.rows}["c-d8"] == "unfinished"

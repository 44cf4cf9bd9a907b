"""The recommendation: chosen by validation accuracy and cost, in words that the figures carry."""

import msgspec
from msgspec.structs import replace

from convblocks.experiments.summary import summarise
from convblocks.records import Run, Summary
from tests.experiments.conftest import make_design, make_latency, make_run


def runs_of(design, *accuracies, **options):
    return [make_run(design, seed, accuracy, **options) for seed, accuracy in enumerate(accuracies)]


def text(summary):
    return " ".join((summary.headline, *summary.paragraphs)).replace("\N{NO-BREAK SPACE}", " ")


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
    assert "Significantly worse on validation data: worse-d8 (−1" in text(summary)
    assert "To tell them from best-d8 with 80 % power" in text(summary)


def test_overlapping_latencies_are_a_tie_that_accuracy_decides(study):
    a, b = make_design("a"), make_design("b")
    runs = runs_of(a, 0.98, 0.98, 0.985) + runs_of(b, 0.978, 0.98, 0.98)
    summary = summarise(study, [a, b], runs, [make_latency(a, 2.01), make_latency(b, 2.0)])
    assert summary.recommended == "a-d8"
    assert (
        summary.headline
        == "Use a-d8: the most accurate design, and none within its noise is measurably cheaper."
    )


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
    shallow, deep = make_design("plain"), make_design("plain", 56, norms=(500.0, 1.0))
    base = runs_of(shallow, 0.98, 0.98, 0.975)
    untrained = summarise(study, [shallow, deep], base + runs_of(deep, 0.40, 0.35, 0.45), [])
    assert "plain loses 57.8 points" in text(untrained)
    assert "it fails to train: its training accuracy falls as well, from 97.8 % to 40.0 %" in text(untrained)
    assert "500 times its last one's at depth 56, 1 times at depth 8" in text(untrained)
    overfitted = summarise(study, [shallow, deep], base + runs_of(deep, 0.40, 0.35, 0.45, train=0.999), [])
    assert "plain loses" in text(overfitted)
    assert "fails to train" not in text(overfitted)


def test_no_claim_of_degradation_where_there_is_none(study):
    shallow, deep = make_design("residual"), make_design("residual", 56)
    runs = runs_of(shallow, 0.98, 0.98, 0.975) + runs_of(deep, 0.978, 0.982, 0.977)
    summary = summarise(study, [shallow, deep], runs, [])
    assert "loses" not in text(summary)
    assert "No significant change from stack depth 8 to 56: residual" in text(summary)


def test_one_seed_recommends_nothing(study):
    a, b = make_design("a"), make_design("b")
    summary = summarise(study, [a, b], runs_of(a, 0.9) + runs_of(b, 0.8), [])
    assert summary.recommended is None
    assert "one seed is no evidence" in summary.headline


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
    assert summary.target_accuracy == 0.96
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

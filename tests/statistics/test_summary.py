"""The summary: what validation accuracy and cost choose, the front, and the record in its file."""

import msgspec
import pytest
from msgspec.structs import replace

from convblocks.records import Run, Summary
from convblocks.statistics.summary import summarise
from tests.made_records import make_design, make_latency, make_run, runs_of


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


def test_the_pareto_front_is_drawn_from_validation_data(study):
    slow, fast = make_design("slow"), make_design("fast")
    runs = [replace(r, test_errors=(0, 1, 2, 3)) for r in runs_of(slow, 0.98, 0.98, 0.975)]
    runs += [replace(r, test_errors=()) for r in runs_of(fast, 0.90, 0.91, 0.90)]
    summary = summarise(study, [slow, fast], runs, [make_latency(slow, 2.0), make_latency(fast, 1.0)])
    assert [row.pareto for row in summary.rows] == [True, True]  # by test accuracy fast beats slow in both


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

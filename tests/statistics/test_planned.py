"""Planned runs: a finished search reads as finished, one that goes on as going on."""

import pytest
from msgspec.structs import replace

from convblocks.statistics.planned import planned_runs
from convblocks.statistics.summary import summarise
from tests.made_records import make_design, make_run, make_study

A, B, C = (make_design(name) for name in "abc")
COMPARE = make_study()
SEARCH = replace(COMPARE, proposer="Random")
LATER = ("again", "goes on", "yet", "Unfinished", "unfinished")
"""What tells a user to go on."""


def ended(design, seed=0):
    run = make_run(design, seed, 0.5)
    return replace(
        run, epochs=run.epochs[:1], timing=replace(run.timing, epoch_s=run.timing.epoch_s[:1]), stopped=1
    )


def text(summary):
    paragraphs = [f"{p.lead}: {p.text}" for p in summary.paragraphs]
    return " ".join([summary.headline, *paragraphs, *(row.verdict for row in summary.rows)])


def test_a_compare_plans_each_seed_and_none_for_a_design_with_a_problem():
    designs = [A, replace(B, problem="too wide")]
    assert planned_runs(COMPARE, designs, [make_run(A, 0, 0.9)]) == {"a-d8": 3, "b-d8": 0}


def test_a_search_plans_what_was_proposed():
    runs = [make_run(A, 0, 0.9), make_run(A, 2, 0.9), ended(A, 1), ended(B)]
    assert planned_runs(SEARCH, [A, B, C], runs) == {"a-d8": 2, "b-d8": 0, "c-d8": 1}


@pytest.mark.parametrize(
    "runs",
    [
        [make_run(A, 0, 0.9), ended(B), ended(C)],  # one is left to compare
        [ended(A), ended(B), ended(C)],  # none is
        [make_run(A, 0, 0.9), make_run(B, 0, 0.8), make_run(C, 1, 0.7)],  # one of three seeds each
        [*(make_run(A, seed, 0.98) for seed in range(3)), make_run(B, 0, 0.5), ended(C)],
    ],
)
def test_a_finished_search_reads_as_finished(runs):
    written = text(summarise(SEARCH, [A, B, C], runs, []))
    assert not [word for word in LATER if word in written]


def test_a_search_that_goes_on_names_the_designs_under_way():
    summary = summarise(SEARCH, [A, B, C], [make_run(A, 0, 0.9), make_run(B, 0, 0.8)], [])
    (unfinished,) = [p.text for p in summary.paragraphs if p.lead == "Unfinished"]
    assert "c-d8" in unfinished
    assert "a-d8" not in unfinished
    assert {row.verdict for row in summary.rows} == {"best", "one seed"}


def test_what_diverged_is_no_run_that_the_search_ended():
    lost = make_run(B, 0, 0.5, failure="the loss became nan in epoch 2")
    summary = summarise(SEARCH, [A, B, C], [make_run(A, 0, 0.9), lost, ended(C)], [])
    leads = {p.lead: p.text for p in summary.paragraphs}
    assert "b-d8" in leads["Diverged"]
    assert "c-d8" in leads["Ended early"]

"""A comparison of two designs: their costs, and their difference on the seeds that both have."""

import numpy as np
import pytest
from msgspec.structs import replace

from convblocks.records import Interval
from convblocks.statistics.comparison import Comparison, paired
from convblocks.statistics.summary import summarise
from tests.made_records import make_design, make_latency, make_run, runs_of, text_of


def test_cost_is_never_ms_for_some_designs_and_macs_for_others(study):
    """A design without a latency would cost a million times as much."""
    a, b = replace(make_design("a"), macs=2_000_000), replace(make_design("b"), macs=1_000_000)
    runs = runs_of(a, 0.98, 0.98, 0.985) + runs_of(b, 0.98, 0.98, 0.98)
    summary = summarise(study, [a, b], runs, [make_latency(a, 1.0)])
    assert (summary.cost, summary.recommended) == ("macs", "b-d8")
    assert "b-d8 takes 1,000,000 MACs for one example, a-d8 2,000,000 MACs" in text_of(summary)
    assert summarise(study, [a, b], runs, [make_latency(a, 1.0), make_latency(b, 2.0)]).cost == "latency"


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


def compared(name, seeds, scores):
    runs = [make_run(make_design(name), seed, 0.9) for seed in seeds]
    return Comparison(make_design(name), runs, scores, scores, None)


def test_a_difference_is_of_the_seeds_that_both_have():
    """In whichever order their runs finished."""
    rng = np.random.default_rng(0)
    a, b = (rng.random((3, 1)).repeat(4, 1) for _ in range(2))
    found = paired(compared("a", (2, 0, 1), a), compared("b", (1, 3, 2), b), "validation")
    pairs = a[[0, 2]] - b[[2, 0]]
    assert found.mean == pytest.approx(pairs.mean())
    assert found.seeds == 2
    assert paired(compared("a", (0,), a[:1]), compared("b", (1,), b[:1]), "validation") is None

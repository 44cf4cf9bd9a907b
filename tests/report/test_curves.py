"""Charts over epochs and layers."""

from math import inf, nan

import pytest
from msgspec.structs import replace

from convblocks.report import curves
from convblocks.report.figures import figures
from tests.report.conftest import make_design, make_row, make_run, make_summary
from tests.report.drawn import data, drawn, entries_of


def test_norms_without_a_logarithm_break_the_line_and_are_named(make):
    design = make_design(depth=8, gradient_norms=(0.5, nan, inf, 0.0, 0.2, 0.3, 0.4, 0.5))
    records = make(designs=(design,), summary=make_summary((make_row(design),)))
    (spec,) = drawn(records)["gradients"]
    assert [record["norm"] for record in data(spec)] == [0.5, None, None, None, 0.2, 0.3, 0.4, 0.5]
    assert (
        "left out in residual-2-d8" in figures(records.study, records.summary, entries_of(records))[3].numbers
    )


def test_no_norm_at_all_draws_no_chart(make):
    for norms in ((), (nan,) * 8):
        design = make_design(depth=8, gradient_norms=norms)
        records = make(designs=(design,), summary=make_summary((make_row(design),)))
        assert drawn(records)["gradients"] == []


def test_mean_curve_leaves_out_runs_that_stopped_early(make):
    design = make_design()
    good, bad = make_run(design, 0), make_run(design, 1)
    bad = replace(bad, epochs=bad.epochs[:3], failure="the loss became nan in epoch 3")
    assert len(curves.mean_curve([good, bad])) == len(good.epochs)
    assert len(curves.mean_curve([bad])) == 3
    assert curves.mean_curve([]) == []


def test_long_trainings_are_thinned_but_end_at_their_end(make):
    design = make_design()
    run = make_run(design, 0)
    run = replace(run, epochs=run.epochs * 40)  # 600
    records = make(designs=(design,), runs=(run,), summary=make_summary((make_row(design),)))
    (spec,) = drawn(records)["training"]
    epochs = [record["epoch"] for record in data(spec) if record["seed"] == "0"]
    assert len(epochs) == curves.MOST_EPOCHS
    assert epochs[-1] == 600


def test_a_mean_curve_with_one_error_stands_apart_from_100(make):
    """One of three seeds gets one of 359 wrong: their mean is a third of an error away from 100 %."""
    design = make_design()
    ends = (1.0, 1.0, 1 - 1 / 359)
    runs = [make_run(design, seed) for seed in range(3)]
    runs = [
        replace(run, epochs=(*run.epochs, replace(run.epochs[-1], validation_score=end)))
        for run, end in zip(runs, ends, strict=True)
    ]
    records = make(designs=(design,), runs=tuple(runs), summary=make_summary((make_row(design),)))
    (spec,) = drawn(records)["training"]
    last = {r["seed"]: r["error"] for r in data(spec) if r["epoch"] == len(runs[0].epochs)}
    assert last["mean"] == pytest.approx(1 / (3 * 359), rel=1e-3)
    assert last["0"] < 0.6 * last["mean"]

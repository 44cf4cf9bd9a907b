"""What the charts draw, as Vega-Lite specs."""

import json
from math import inf, nan

import pytest
from msgspec.structs import replace

from convblocks.records import Interval
from convblocks.report import charts, curves
from convblocks.report.entries import collect, labels
from convblocks.report.figures import UNFINISHED, figures
from convblocks.report.scales import SYMBOLS, error_span, linear_ticks, log_ticks, series_styles, span
from tests.report.conftest import Records, make_design, make_row, make_run, make_summary


def entries_of(records: Records):
    return collect(records.study, records.designs, records.runs, records.summary)


def drawn(records: Records) -> dict[str, list[dict]]:
    """Each figure's charts, all of which must be JSON proper."""
    found = figures(records.study, records.summary, entries_of(records))
    specs = {figure.key: [panel.chart.to_dict() for panel in figure.panels] for figure in found}
    json.dumps(specs, allow_nan=False)
    return specs


def data(spec: dict) -> list[dict]:
    return [record for values in spec["datasets"].values() for record in values]


def with_rows(records: Records, **changes) -> Records:
    rows = tuple(replace(row, **changes) for row in records.summary.rows)
    return Records(records.study, records.designs, records.runs, replace(records.summary, rows=rows))


def test_five_figures_with_a_panel_for_each_depth_where_lines_are(records):
    specs = drawn(records)
    assert {key: len(panels) for key, panels in specs.items()} == {
        "cost": 1,
        "depth": 1,
        "training": 2,
        "gradients": 2,
        "fields": 1,
    }


def test_every_implementation_looks_the_same_in_every_chart_even_if_some_are_unfinished(records):
    some = Records(records.study, records.designs, records.runs[-6:], replace(records.summary, rows=()))
    expected = [style.colour for style in series_styles(labels(entries_of(records)))]
    scales = [
        layer["encoding"]["color"]["scale"]
        for shown in (records, some)
        for panels in drawn(shown).values()
        for spec in panels
        for layer in spec["layer"]
        if "color" in layer["encoding"]
    ]
    assert len(scales) > 10
    assert all(scale["domain"] == labels(entries_of(records)) for scale in scales)
    assert all(scale["range"] == expected for scale in scales)


def test_56_implementations_all_look_different():
    found = series_styles([str(n) for n in range(56)])
    assert len({(style.colour, style.symbol) for style in found}) == 56
    assert len({style.symbol for style in found[: len(SYMBOLS)]}) == len(SYMBOLS)


def test_cost_is_macs_without_latency(records):
    spec = drawn(with_rows(records, latency=None))["cost"][0]
    assert {record["cost"] for record in data(spec)} == {float(d.macs) for d in records.designs}
    assert '"MACs"' in json.dumps(spec)


def test_macs_are_the_cost_as_long_as_not_all_designs_are_timed(records):
    rows = (replace(records.summary.rows[0], latency=None), *records.summary.rows[1:])
    part = Records(records.study, records.designs, records.runs, replace(records.summary, rows=rows))
    figure = figures(part.study, part.summary, entries_of(part))[0]
    assert figure.headers[1] == "MACs"
    assert len(figure.rows) == len(rows)


@pytest.mark.parametrize(("fastest", "kind"), [(2.5, "linear"), (1.5, "log")])
def test_cost_axis_is_logarithmic_from_twofold_on(records, fastest, kind):
    rows = tuple(
        replace(row, latency=replace(row.latency, median_ms=ms, lower_ms=ms, upper_ms=ms))
        for row, ms in zip(records.summary.rows, (fastest, *[4.0] * 9), strict=True)
    )
    part = Records(records.study, records.designs, records.runs, replace(records.summary, rows=rows))
    spec = drawn(part)["cost"][0]
    assert spec["layer"][0]["encoding"]["x"]["scale"]["type"] == kind


def test_steps_join_the_front_in_order_of_cost(records):
    spec = drawn(records)["cost"][0]
    line = spec["layer"][0]
    assert line["mark"]["interpolate"] == "step-after"
    assert line["transform"] == [{"filter": "datum.front"}]
    front = {record["design"] for record in data(spec) if record.get("front")}
    assert front == {row.design for row in records.summary.rows if row.pareto}


def test_one_seed_draws_no_interval(records):
    rows = tuple(
        replace(row, seeds=1, validation=Interval(row.validation.estimate, None, None))
        for row in records.summary.rows
    )
    single = Records(records.study, records.designs, records.runs, replace(records.summary, rows=rows))
    for record in data(drawn(single)["depth"][0]):
        assert record["least"] is record["most"] is None
    readings = [figure.reading for figure in figures(single.study, single.summary, entries_of(single))[:2]]
    assert all("One seed gives no intervals." in reading for reading in readings)


def test_one_depth_draws_dots_by_implementation(make):
    records = make(depths=(8,))
    spec = drawn(records)["depth"][0]
    assert spec["layer"][0]["encoding"]["y"]["field"] == "label"
    assert all(layer["mark"]["type"] != "line" for layer in spec["layer"])
    figure = figures(records.study, records.summary, entries_of(records))[1]
    assert figure.title == "Accuracy at stack depth 8"
    assert not figure.legend


def test_nothing_finished_says_so_and_still_draws_what_needs_no_training(make):
    records = make(runs=(), summary=make_summary((), recommended=None))
    found = figures(records.study, records.summary, entries_of(records))
    assert [bool(figure.panels) for figure in found] == [False, False, False, True, True]
    assert all(figure.numbers == UNFINISHED for figure in found[:3])


def test_norms_without_a_logarithm_break_the_line_and_are_told(make):
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


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_receptive_fields_along_axes_that_differ_are_drawn_one_by_one(make, records, dims):
    shape = (1, *(8, 16, 32)[:dims])
    design = make_design(receptive_field=((1, -3, 3), (1, -4, 4), (1, -5, 5))[:dims])
    study = replace(records.study, data=replace(records.study.data, shape=shape))
    shown = make(study=study, designs=(design,), summary=make_summary((make_row(design),)))
    found = charts.field_records(entries_of(shown)[0])
    assert [(record["size"], record["image"]) for record in found] == [(7, 8), (9, 16), (11, 32)][:dims]
    assert len({record["row"] for record in found}) == dims
    drawn(shown)


def test_receptive_fields_that_are_everything_or_unknown(make):
    for axes, expected in (
        (("all", "all"), [("all", 8)]),
        ((None, (1, -1, 1)), [("3", 3)]),
        ((None, None), []),
    ):
        design = make_design(receptive_field=axes)
        shown = make(designs=(design,), summary=make_summary((make_row(design),)))
        found = charts.field_records(entries_of(shown)[0])
        assert [(record["seen"], record["size"]) for record in found] == expected
        drawn(shown)


def test_error_axis_is_logarithmic_only_where_errors_are_far_apart():
    near, far = error_span([0.95, 0.97], [0.9, 0.99], 1000), error_span([0.4, 0.97, 1.0], [1.0], 1000)
    assert not near.logarithmic
    assert far.logarithmic
    assert far.low > 0
    wide = error_span([0.95, 0.97], [0.74, 1.0], 1000)  # far-apart ends do not count
    assert not wide.logarithmic
    assert 0.26 < wide.high < 0.29
    assert 0 in wide.ticks()
    assert far.keep(0.0) == far.low


def test_no_error_at_all_stands_apart_from_one_error_and_is_labelled(records):
    """One wrong answer in 3 seeds × 359 validation examples, and none."""
    rows = records.summary.rows
    changed = {"residual-2-d56": 1.0, "residual-2-d8": 1 - 1 / 1077}
    rows = tuple(
        replace(row, validation=Interval(changed.get(row.design, row.validation.estimate), None, None))
        for row in rows
    )
    part = Records(records.study, records.designs, records.runs, replace(records.summary, rows=rows))
    spec = drawn(part)["depth"][0]
    errors = {record["design"]: record["error"] for record in data(spec)}
    assert errors["residual-2-d8"] == pytest.approx(1 / 1077)
    assert errors["residual-2-d56"] == pytest.approx(errors["residual-2-d8"] / 2)
    axis = spec["layer"][0]["encoding"]["y"]["axis"]
    assert axis["values"][0] == errors["residual-2-d56"]
    assert f"datum.value == {axis['values'][0]!r} ? '100.0" in axis["labelExpr"]
    reading = figures(part.study, part.summary, entries_of(part))[1].reading
    assert "no place for 100 %" in reading
    usual = figures(records.study, records.summary, entries_of(records))[1]
    assert "no place for 100 %" not in usual.reading


def test_a_mean_curve_with_one_error_stands_apart_from_100(make):
    """Of three seeds one gets one of 359 wrong: their mean is a third of an error away from 100 %."""
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


@pytest.mark.parametrize("numbers", [[1.0], [0.0], [0.0, 0.0], [2.0, 2.0], [1e-9, 1e9], [-1.0, 1.0]])
def test_a_span_always_has_an_extent_that_holds_its_numbers(numbers):
    found = span(numbers)
    assert found.low < min(numbers) <= max(numbers) < found.high
    assert found.ticks()
    assert found.at(found.part(numbers[0])) == pytest.approx(numbers[0])


def test_ticks_lie_within_and_are_few():
    for low, high in ((0.3, 0.9), (1, 4000), (1e-9, 10), (0.011, 0.013)):
        assert all(low <= tick <= high for tick in log_ticks(low, high))
        assert 2 <= len(linear_ticks(low, high)) <= 10
    assert len(log_ticks(1e-12, 10)) <= 8

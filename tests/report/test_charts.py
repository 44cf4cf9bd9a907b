"""Charts of designs as points, as Vega-Lite specs."""

import json

import pytest
from msgspec.structs import replace

from convblocks.records import Interval
from convblocks.report import charts
from convblocks.report.entries import labels
from convblocks.report.figures import figures
from convblocks.report.scales import series_styles
from tests.report.conftest import Records, make_design, make_row, make_summary
from tests.report.drawn import data, drawn, entries_of, with_rows


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
        assert [(record["extent"], record["size"]) for record in found] == expected
        drawn(shown)


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

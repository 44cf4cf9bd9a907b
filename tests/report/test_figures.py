"""Figures: a chart with its text and its data."""

from convblocks.report.figures import UNFINISHED, figures
from tests.report.conftest import make_summary
from tests.report.drawn import drawn, entries_of


def test_five_figures_with_a_panel_for_each_depth_where_lines_are(records):
    specs = drawn(records)
    assert {key: len(panels) for key, panels in specs.items()} == {
        "cost": 1,
        "depth": 1,
        "training": 2,
        "gradients": 2,
        "fields": 1,
    }


def test_nothing_finished_says_so_and_still_draws_what_needs_no_training(make):
    records = make(runs=(), summary=make_summary((), recommended=None))
    found = figures(records.study, records.summary, entries_of(records))
    assert [bool(figure.panels) for figure in found] == [False, False, False, True, True]
    assert all(figure.numbers == UNFINISHED for figure in found[:3])

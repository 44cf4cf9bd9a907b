"""Cells of the table of designs."""

from math import inf, nan

import pytest

from convblocks.report.columns import COLUMNS, Cell, fields
from tests.report.drawn import entries_of


@pytest.mark.parametrize(
    ("value", "key"),
    [(None, None), (nan, None), (inf, "Infinity"), (-inf, "-Infinity"), (1.5, "1.5"), ("a", "a")],
)
def test_a_cell_sorts_by_a_number_that_javascript_reads(value, key):
    assert Cell("", value=value).key == key


def test_every_column_has_a_cell_and_a_definition_for_every_design(records):
    parts = fields(records.study, records.summary)
    assert len({column.title for column in COLUMNS}) == len(COLUMNS)
    for column in COLUMNS:
        assert "{" not in column.title.format_map(parts) + column.definition.format_map(parts)
        assert all(column.cell(entry).text for entry in entries_of(records))

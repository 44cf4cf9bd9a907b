"""Charts of records, as the tests read them."""

import json

from msgspec.structs import replace

from convblocks.report.entries import collect
from convblocks.report.figures import figures
from tests.report.conftest import Records


def entries_of(records: Records):
    return collect(records.study, records.designs, records.runs, records.summary)


def drawn(records: Records) -> dict[str, list[dict]]:
    """Each figure's charts, all of which must be JSON proper."""
    drawn_figures = figures(records.study, records.summary, entries_of(records))
    specs = {figure.key: [panel.chart.to_dict() for panel in figure.panels] for figure in drawn_figures}
    json.dumps(specs, allow_nan=False)
    return specs


def data(spec: dict) -> list[dict]:
    return [record for values in spec["datasets"].values() for record in values]


def with_rows(records: Records, **changes) -> Records:
    rows = tuple(replace(row, **changes) for row in records.summary.rows)
    return Records(records.study, records.designs, records.runs, replace(records.summary, rows=rows))

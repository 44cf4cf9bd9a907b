"""The table of designs and the recommendation, in a terminal of 80 columns or more."""

from math import isfinite

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from convblocks.experiments.store import RunFolder
from convblocks.records import Design, Row, Summary
from convblocks.report.conditions import as_deployed
from convblocks.report.format import accuracy, count, difference, milliseconds, percent

LEGEND = (
    "%: {metric}. Validation data choose: order, Δ best (points behind the best) and verdict are theirs; test is only "
    "stated. Brackets: 95 %, over seeds and examples. ms: one example, median. Equal MACs are not equal time. "
    "Perhaps worse: at 95 %, tested alone, as some of many equal designs may be by chance; worse: after Holm's "
    "correction for that too."
)


def print_result(folder: RunFolder) -> None:
    """Print what a run folder found, and where its report is."""
    summary = folder.summary()
    study = folder.study()
    assert summary is not None
    assert study is not None
    metric = study.data.metric
    console = Console(highlight=False, markup=False, emoji=False)
    if summary.rows:
        console.print(result_table(folder.designs(), summary, wide=console.width >= WIDE))
        console.print(Padding(legend(folder.designs(), metric), (0, 0, 1, 0)), style="dim")
    console.print(Text(summary.headline, style="bold"))
    for paragraph in summary.paragraphs:
        console.print(Padding(Text.assemble((paragraph.lead, "bold"), ": ", paragraph.text), (1, 0, 0, 0)))
    console.print(f"\nReport: {folder.path / 'report.html'}", soft_wrap=True)


def legend(designs: list[Design], metric: str) -> str:
    """What the columns mean, and which designs' costs and times are of another form than the one trained."""
    deployed = as_deployed(designs)
    return LEGEND.format(metric=metric) + (f" As deployed: {deployed}." if deployed else "")


WIDE = 125


def result_table(designs: list[Design], summary: Summary, *, wide: bool) -> Table:
    """One line a design, the best on validation first; `wide` adds widths, parameters, MACs and all intervals."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("design", no_wrap=True)
    costs = ("widths", "params", "MACs") if wide else ()
    for name in (*costs, "validation %", "Δ best", "test %", "ms"):
        table.add_column(name if wide else name.replace("validation", "val"), justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    known = {design.name: design for design in designs}
    for row in sorted(summary.rows, key=_rank):
        design = known[row.design]
        table.add_row(
            row.design,
            *(("/".join(map(str, design.widths)), count(design.params), count(design.macs)) if wide else ()),
            accuracy(row.validation) if wide else percent(row.validation.estimate, unit=False),
            difference(row.validation_difference),
            accuracy(row.test) if wide else percent(row.test.estimate, unit=False),
            milliseconds(row.latency.median_ms if row.latency else None, unit=False),
            _verdict(row, summary),
            style="bold" if row.design == summary.recommended and summary.told else None,
        )
    return table


def _rank(row: Row) -> tuple[bool, float]:
    accuracy = row.validation.estimate
    return row.verdict != "best", -accuracy if isfinite(accuracy) else 1.0


def _verdict(row: Row, summary: Summary) -> str:
    if row.design != summary.recommended:
        return row.verdict
    return "← use" if summary.told else "← cheapest"

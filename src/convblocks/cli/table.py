"""The table of designs and the recommendation, in a terminal of 80 columns or more."""

import re
from math import isfinite
from typing import NamedTuple

from rich.cells import cell_len
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from convblocks.cli.terminal import SafeConsole
from convblocks.formatting import accuracy, count, difference, milliseconds, percent, points
from convblocks.records import Design, Row, Summary
from convblocks.report.conditions import as_deployed, cheapest
from convblocks.runs.store import RunFolder

LEGEND = (
    "%: {metric}. Validation data choose: order, Δ best (points behind the best) and verdict are theirs; test is only "
    "stated. Brackets: 95 %, over seeds and examples. ms: one example, median. Equal MACs are not equal time. "
    "Perhaps worse: at 95 %, tested alone, as some of many equal designs may be by chance; worse: after Holm's "
    "correction for that too. Cheapest: {cheapest}."
)


def print_result(folder: RunFolder) -> None:
    """Prints the result of a run folder, and where its report is."""
    summary = folder.summary()
    study = folder.study()
    assert summary is not None
    assert study is not None
    metric = study.data.metric
    console = SafeConsole()
    if summary.rows:
        console.print(result_table(folder.designs(), summary, console.width))
        console.print(Padding(legend(folder.designs(), summary, metric), (0, 0, 1, 0)), style="dim")
    console.print(Text(summary.headline, style="bold"))
    for paragraph in summary.paragraphs:
        console.print(Padding(Text.assemble((paragraph.lead, "bold"), ": ", paragraph.text), (1, 0, 0, 0)))
    console.print(f"\nReport: {folder.path / 'report.html'}", soft_wrap=True)


def legend(designs: list[Design], summary: Summary, metric: str) -> str:
    """Returns what the columns mean, and which designs' costs and times are of the form they are deployed in."""
    deployed = as_deployed(designs)
    return LEGEND.format(metric=metric, cheapest=cheapest(summary)) + (
        f" As deployed: {deployed}." if deployed else ""
    )


# characters of a line from which on the table has all columns
WIDE = 125
# characters of a line that a design's name takes at least
NAME = 16


class _Columns(NamedTuple):
    """The columns beside a design's name.

    Attributes:
        wide: with widths, parameters, MACs and the intervals of both scores.
        ends: with the interval of the difference.
    """

    wide: bool
    ends: bool = True

    def cells(self, design: Design, row: Row, summary: Summary) -> dict[str, str]:
        """Returns the cells of one line by header."""
        scores = (row.validation, row.test)
        validation, test = (accuracy(s) if self.wide else percent(s.estimate, unit=False) for s in scores)
        gap = row.validation_difference
        costs = {
            "widths": "/".join(map(str, design.widths)),
            "params": count(design.params),
            "MACs": count(design.macs),
        }
        return {
            **(costs if self.wide else {}),
            "validation %" if self.wide else "val %": validation,
            "Δ best": difference(gap) if self.ends else points(gap.estimate if gap else None),
            "test %": test,
            "ms": milliseconds(row.latency.median_ms if row.latency else None, unit=False),
            "verdict": _verdict(row, summary),
        }


def result_table(designs: list[Design], summary: Summary, width: int) -> Table:
    """Returns one line a design, the best on validation first.

    Args:
        designs: all designs of the study.
        summary: their rows and the recommendation.
        width: characters of a line; what does not fit is left out, and names are broken where they must be.
    """
    by_name = {design.name: design for design in designs}
    rows = sorted(summary.rows, key=_rank)
    longest = max((cell_len(row.design) for row in rows), default=0)
    for columns in (
        *[_Columns(wide=True)] * (width >= WIDE),
        _Columns(wide=False),
        _Columns(False, ends=False),
    ):
        lines = [columns.cells(by_name[row.design], row, summary) for row in rows]
        room = width - 1 - sum(1 + max(map(cell_len, (name, *(t[name] for t in lines)))) for name in lines[0])
        if room >= min(longest, NAME):
            break
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("design", overflow="fold")
    for name in lines[0]:
        table.add_column(name, justify="left" if name == "verdict" else "right", no_wrap=True)
    for row, cells in zip(rows, lines, strict=True):
        chosen = row.design == summary.recommended and summary.conclusive
        table.add_row(_broken(row.design, room), *cells.values(), style="bold" if chosen else None)
    return table


def _broken(name: str, room: int) -> str:
    """Returns the name in lines of at most `room` characters, broken after hyphens and underscores."""
    lines = [""]
    for part in re.split("(?<=[-_])", name):
        if lines[-1] and cell_len(lines[-1] + part) > room:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _rank(row: Row) -> tuple[bool, float]:
    accuracy = row.validation.estimate
    return row.verdict != "best", -accuracy if isfinite(accuracy) else 1.0


def _verdict(row: Row, summary: Summary) -> str:
    if row.design != summary.recommended:
        return row.verdict
    return "← use" if summary.conclusive else "← cheapest"

"""The table of designs and the recommendation, in a terminal of 80 columns or more."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from convblocks.experiments.store import RunFolder
from convblocks.records import Design, Row, Summary
from convblocks.report.format import accuracy, count, difference

LEGEND = (
    "Intervals: 95 %, over seeds and examples. Δ best: test points behind the best on validation. "
    "ms: one example, median. Equal MACs are not equal time. Perhaps worse: at 95 %, tested alone, as some of many "
    "equal designs may be by chance; worse: after Holm's correction for that too."
)


def print_result(folder: RunFolder) -> None:
    """Print what a run folder found, and where its report is."""
    summary = folder.summary()
    assert summary is not None
    console = Console(highlight=False, markup=False)
    if summary.rows:
        console.print(result_table(folder.designs(), summary, wide=console.width >= WIDE))
        console.print(Padding(LEGEND, (0, 0, 1, 0)), style="dim")
    console.print(Text(summary.headline, style="bold"))
    for paragraph in summary.paragraphs:
        console.print(Padding(paragraph, (1, 0, 0, 0)))
    console.print(f"\nReport: {folder.path / 'report.html'}", soft_wrap=True)


WIDE = 110


def result_table(designs: list[Design], summary: Summary, *, wide: bool) -> Table:
    """One line a design, by stack depth and then by test accuracy; `wide` adds widths, parameters and MACs."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("design", no_wrap=True)
    if wide:
        for name in ("widths", "params", "MACs"):
            table.add_column(name, justify="right", no_wrap=True)
    table.add_column("test %", justify="right", no_wrap=True)
    table.add_column("Δ best", justify="right", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    known = {design.name: design for design in designs}
    for row in sorted(summary.rows, key=lambda r: (known[r.design].stack_depth, -r.test.estimate)):
        design = known[row.design]
        table.add_row(
            row.design,
            *(
                (("/".join(map(str, design.widths))), count(design.params), count(design.macs))
                if wide
                else ()
            ),
            accuracy(row.test),
            difference(row.test_difference),
            f"{row.latency.median_ms:.3g}" if row.latency else "—",
            _verdict(row, summary),
            style="bold" if row.design == summary.recommended else None,
        )
    return table


def _verdict(row: Row, summary: Summary) -> str:
    return "← use" if row.design == summary.recommended else row.verdict

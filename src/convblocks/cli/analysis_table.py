"""An analysis as a tree of modules with what each costs, in a terminal of 80 columns or more."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf
from textwrap import fill

from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from convblocks.cli.layer_tree import Node, tree
from convblocks.cli.terminal import SafeConsole
from convblocks.formatting import count, percent, size
from convblocks.records import Analysis
from convblocks.report import totals
from convblocks.text import times

BAR = 10
EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Column:
    """A column; of those that do not fit, the one with the highest `rank` is left out first."""

    title: str
    rank: int
    cell: Callable[[Node], str]


def print_analysis(analysis: Analysis, target: str, depth: float) -> None:
    """Prints the tree down to `depth` module names, then the totals and what they mean."""
    console = SafeConsole()
    root = tree(analysis)
    if root.layers:
        console.print(_fitting(console, root, analysis, depth))
    if any(node.children for at, node in _rows(root, depth) if at >= depth):
        console.print("Folded; --depth all shows every layer.", style="dim")
    heading = f"{target} ({root.type}), input {totals.inputs(analysis)}, one image"
    _print(console, "", f"{heading}; field: receptive field of an output, px; ✗ unproductive.", style="dim")
    console.print()
    for term, text in totals.facts(analysis):
        _print(console, term, text)
    console.print()
    for sentence in (
        totals.axes(analysis.axes, analysis.axes_assumed),
        totals.unknown(analysis),
        totals.unproductive(analysis),
        totals.NOT_TIME,
    ):
        if sentence:
            _print(console, "", sentence)


def _print(console: SafeConsole, term: str, text: str, style: str = "") -> None:
    """Prints a term, and beside it a text in lines of its own; rich by itself breaks a figure from its unit."""
    lead = f"{term:<19}" if term else ""
    lines = fill(text, console.width, initial_indent=lead, subsequent_indent=" " * len(lead))
    block = Text(lines, style)
    block.stylize("bold", 0, len(term))
    console.print(block, soft_wrap=True)


def _columns(analysis: Analysis, root: Node) -> list[Column]:
    most = max((child.total("macs") for child in root.children.values()), default=0)
    least = totals.BOUND if analysis.lower_bounds else ""
    return [
        Column("type", 5, lambda node: node.type),
        Column("output", 3, lambda node: times(node.output.output_shape[1:])),
        Column("params", 0, lambda node: count(node.total("params"))),
        Column("MACs", 0, lambda node: (least if node is root else "") + count(node.total("macs"))),
        Column("%", 1, lambda node: _share(node, analysis)),
        Column("", 7, lambda node: "" if node is root else bar(node.total("macs"), most)),
        Column("activations", 6, lambda node: size(node.total("activation_bytes"))),
        Column("saved", 4, lambda node: size(node.total("saved_bytes"))),
        Column("field", 2, lambda node: totals.extent(node.output.receptive_field)),
        Column("", 0, _mark),
    ]


def _share(node: Node, analysis: Analysis) -> str:
    macs = node.total("macs")
    return percent(macs / analysis.macs, unit=False) if macs else ""


def _mark(node: Node) -> str:
    wasted, of = node.unproductive
    return "" if not wasted else "✗" if wasted == of else f"✗ {wasted}/{of}"


def bar(part: int, whole: int) -> str:
    """Returns a bar of text, to an eighth of a character.

    >>> bar(1, 4), bar(0, 4), bar(3, 0)
    ('██▌', '', '')
    """
    eighths = round(8 * BAR * part / whole) if whole else 0
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _fitting(console: SafeConsole, root: Node, analysis: Analysis, depth: float) -> Table:
    """Returns the table without those columns that the terminal is too narrow for."""
    columns = _columns(analysis, root)
    for rank in (inf, *sorted({column.rank for column in columns if column.rank}, reverse=True)):
        columns = [column for column in columns if column.rank < rank]
        table = _table(root, columns, depth)
        if Measurement.get(console, console.options.update(width=10_000), table).maximum <= console.width:
            break
    return table


def _table(root: Node, columns: list[Column], depth: float) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("layer", no_wrap=True, overflow="ellipsis")
    for column in columns:
        left = column.title in ("type", "")
        table.add_column(column.title, justify="left" if left else "right", no_wrap=True)
    for at, node in _rows(root, depth):
        name = Text("  " * max(0, at - 1) + (node.name or node.type))  # the root has no path
        table.add_row(name, *(column.cell(node) for column in columns), style=_style(at, node))
    return table


def _style(at: int, node: Node) -> str | None:
    if at == 0:
        return "bold"
    return None if node.total("macs") or node.total("params") else "dim"


def _rows(node: Node, depth: float, at: int = 0) -> Iterator[tuple[int, Node]]:
    if node.layers:
        yield at, node
    if at < depth:
        for child in node.children.values():
            yield from _rows(child, depth, at + 1)

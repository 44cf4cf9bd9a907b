"""Linear probes as a table of 80 columns."""

from rich.padding import Padding
from rich.table import Table

from convblocks.cli.terminal import SafeConsole
from convblocks.formatting import accuracy, difference
from convblocks.records import Probes
from convblocks.text import plural, shown

SEES = {True: "", False: "whole image", None: "unknown"}


def print_probes(probes: Probes, data: str) -> None:
    """Prints one line a layer, and the verdict over all.

    Args:
        probes: the record.
        data: name of the data set.
    """
    console = SafeConsole()
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in ("layer", "accuracy %", "rise, points", "", "input sees"):
        table.add_column(
            name, justify="right" if name in ("accuracy %", "rise, points") else "left", no_wrap=True
        )
    for layer in probes.layers:
        table.add_row(
            shortened(layer.name, 22),
            accuracy(layer.accuracy),
            difference(layer.rise),
            layer.verdict.replace("no rise", ""),
            SEES[layer.productive],
            style="dim" if layer.productive is False else None,
        )
    console.print(table)
    pooled = "their mean" if probes.pool == 1 else f"{probes.pool} means along each axis"
    console.print(
        Padding(
            f"Linear probes on the layers' outputs, {pooled}: trained on {plural(probes.train, 'example')} of {data}, "
            f"tested on another {probes.test:,}; the module itself: {accuracy(probes.model_accuracy)}. "
            "Brackets: 95 %, over examples.",
            (1, 0),
        ),
        style="dim",
    )
    console.print(probes.verdict[0].upper() + probes.verdict[1:] + ".", style="bold")


def shortened(path: str, most: int) -> str:
    """Returns the end of a module path, which tells layers apart.

    >>> shortened("stages.0.0.layers.11.conv", 12)
    '…ers.11.conv'
    """
    path = shown(path)
    return path if len(path) <= most else f"…{path[1 - most :]}"

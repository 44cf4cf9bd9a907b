"""`render_analysis`: an analysis as one HTML file that needs nothing else; analysis.html is its template."""

from convblocks.records import Analysis, Host
from convblocks.report import totals
from convblocks.report.conditions import Fact
from convblocks.report.drawing import Picture, drawing
from convblocks.report.format import count, plural, size
from convblocks.report.layer_columns import COLUMNS
from convblocks.report.layer_figures import layer_figures
from convblocks.report.page import filled


def render_analysis(
    analysis: Analysis, *, target: str, command: str, made: str, host: Host, picture: Picture | None = None
) -> str:
    """The page of an analysis. The same arguments give the same text.

    target: what was analysed, by the name that its user gave it; made: when, ISO 8601; picture: what the receptive
    fields are drawn over, of the input's spatial size.
    """
    sentences = (totals.unknown(analysis), totals.unproductive(analysis), totals.NOT_TIME)
    return filled(
        "analysis.html",
        layer_figures(analysis),
        versions=host.versions,
        analysis=analysis,
        target=target,
        lede=f"{analysis.module}, input {totals.inputs(analysis)}, one image.",
        highlights=_highlights(analysis),
        sentences=[sentence for sentence in sentences if sentence],
        totals=[Fact(term, text) for term, text in totals.facts(analysis)],
        drawing=drawing(analysis, picture),
        columns=COLUMNS,
        rows=[[(column, column.cell(layer, analysis)) for column in COLUMNS] for layer in analysis.layers],
        command=command,
        conditions=_conditions(analysis, made, host),
    )


def _highlights(analysis: Analysis) -> list[tuple[str, str]]:
    least = totals.BOUND if analysis.lower_bounds else ""
    last = totals.last_map(analysis)
    found = [
        ("Params", count(analysis.params)),
        ("MACs, forward", f"{least}{count(analysis.macs)}"),
        ("Activations", f"{least}{size(analysis.activation_bytes)}"),
        ("Saved for backward", f"{least}{size(analysis.saved_bytes)}"),
        ("Receptive field, px", totals.extent(last) if last else totals.extent(analysis)),
    ]
    return [
        (term, text)
        for term, text in found
        if not text.endswith("0\N{NO-BREAK SPACE}B") or "Saved" not in term
    ]


def _conditions(analysis: Analysis, made: str, host: Host) -> list[Fact]:
    return [
        Fact("made", made),
        Fact(
            "traced", f"one forward pass without data, in eval mode, {plural(analysis.ops, 'op')}; batch of 1"
        ),
        *(Fact(name, version) for name, version in host.versions.items()),
        Fact("system", host.system),
    ]

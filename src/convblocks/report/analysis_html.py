"""`render_analysis`: an analysis as one HTML file that needs nothing else; analysis.html is its template."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from convblocks.formatting import count, size
from convblocks.records import Analysis, Finding, Host, Outline
from convblocks.report import totals
from convblocks.report.conditions import Fact
from convblocks.report.drawing import Picture, drawing
from convblocks.report.layer_columns import COLUMNS
from convblocks.report.layer_figures import layer_figures
from convblocks.report.outline_svg import outline_svg
from convblocks.report.page import filled
from convblocks.text import listed, plural

PLACES = 6  # of one rule that are named
MOST_BOXES = 150  # of a network that is drawn; more would make the page heavy, and nobody would read them


@dataclass(frozen=True, slots=True)
class Advice:
    """What one rule found."""

    id: str
    severity: str
    message: str  # at the first of its places
    fix: str
    places: str


def render_analysis(
    analysis: Analysis,
    *,
    target: str,
    command: str,
    made: str,
    host: Host,
    picture: Picture | None = None,
    outline: Outline | None = None,
    advice: Sequence[Finding] = (),
) -> str:
    """The page of an analysis. The same arguments give the same text.

    target: what was analysed, by the name that its user gave it; made: when, ISO 8601; picture: what the receptive
    fields are drawn over, of the input's spatial size; outline: what is drawn of the network; advice: what `advise`
    found. What is not given is left out.
    """
    sentences = (
        totals.axes(analysis.axes, analysis.axes_assumed),
        totals.unknown(analysis),
        totals.unproductive(analysis),
        totals.NOT_TIME,
    )
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
        advice=_advice(advice),
        drawing=drawing(analysis, picture),
        outline=_drawn(outline),
        columns=COLUMNS,
        rows=[[(column, column.cell(layer, analysis)) for column in COLUMNS] for layer in analysis.layers],
        command=command,
        conditions=_conditions(analysis, made, host),
    )


def _drawn(outline: Outline | None) -> Markup | None:
    if outline is None or len(outline.boxes) > MOST_BOXES:
        return None
    return Markup(outline_svg(outline, style=""))  # noqa: S704 - it escapes what it writes


def _highlights(analysis: Analysis) -> list[tuple[str, str]]:
    least = totals.BOUND if analysis.lower_bounds else ""
    end, last = totals.extent(analysis.receptive_field), totals.last_map(analysis)
    before = f"{totals.extent(last.local_field)}, then " if last and end == "all" else ""
    return [
        ("Params", count(analysis.params)),
        ("MACs, forward", f"{least}{count(analysis.macs)}"),
        ("Activations", f"{least}{size(analysis.activation_bytes)}"),
        ("Saved for backward", f"{totals.least_saved(analysis)}{size(analysis.saved_bytes)}"),
        ("Receptive field, px", f"{before}{end}"),
    ]


def _advice(findings: Sequence[Finding]) -> list[Advice]:
    """Findings of one rule together, each with its first message and all places."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.id, finding.severity), []).append(finding)
    return [
        Advice(
            id=name,
            severity=severity,
            message=alike[0].message,
            fix=alike[0].fix,
            places=listed([finding.place or "the whole" for finding in alike], most=PLACES),
        )
        for (name, severity), alike in groups.items()
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

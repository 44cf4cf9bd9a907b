"""`render_analysis`: an analysis as one HTML file that needs nothing else; analysis.html is its template."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from convblocks.formatting import count, size
from convblocks.records import Analysis, Finding, Host, Outline
from convblocks.report import totals
from convblocks.report.conditions import Fact
from convblocks.report.field_drawing import Picture, drawing
from convblocks.report.layer_columns import COLUMNS
from convblocks.report.layer_figures import layer_figures
from convblocks.report.outline_svg import outline_svg
from convblocks.report.page import filled
from convblocks.text import listed, plural

# places of one rule that are named
PLACES = 6
# boxes of a network that is drawn; more would make the page heavy, and nobody would read them
MOST_BOXES = 150


@dataclass(frozen=True, slots=True)
class Advice:
    """The findings of one rule; the message is that of the first place."""

    id: str
    severity: str
    message: str
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
    """Returns the page of an analysis. The same arguments give the same text.

    Args:
        analysis: of the module.
        target: the module, by the name that its user gave it.
        command: what repeats the page.
        made: when, ISO 8601.
        host: where.
        picture: what the receptive fields are drawn over, of the input's spatial size.
        outline: the network's drawing; left out if not given.
        advice: findings of `advise`; left out if there are none.
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
    """Returns the findings of one rule together, with their first message and all places."""
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

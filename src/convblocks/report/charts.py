"""Charts of designs as points, each a pure function from records to an Altair chart; curves.py has the lines.

They leave out what is the page's: legend, colours and style (scales.py) and text (figures.py). What cannot
be drawn (not finished, not finite) is left out here and named there.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import exp, inf, log

import altair as alt

from convblocks import formatting as fmt
from convblocks.records import Study
from convblocks.report.entries import AXES, Entry, labels
from convblocks.report.label_layout import Point, few, heights
from convblocks.report.scales import (
    FAR,
    INK,
    MUTED,
    PAPER,
    Span,
    colour,
    error_span,
    score_axis,
    span,
    symbol,
)

Record = dict[str, object]


def draw(records: Sequence[Record], height: int = 320) -> alt.Chart:
    """Returns a chart as wide as its place on the page, with its data inside."""
    return alt.Chart(alt.InlineData(values=list(records)), width="container", height=height)


def layers(*charts: alt.Chart) -> alt.LayerChart:
    """Returns the charts, each drawn over the one before."""
    return alt.LayerChart(layer=list(charts))


def costs(entries: Sequence[Entry]) -> dict[str, float]:
    """Returns the cost of each design with a score: median milliseconds if all were timed, else MACs."""
    rows = {entry.design.name: entry.scored_row for entry in entries if entry.scored_row}
    times = {name: row.latency.median_ms for name, row in rows.items() if row.latency}
    macs = {entry.design.name: float(entry.design.macs) for entry in entries if entry.scored_row}
    return times if timed(entries) else macs


def timed(entries: Sequence[Entry]) -> bool:
    """Returns true where `costs` are milliseconds."""
    rows = [entry.scored_row for entry in entries if entry.scored_row]
    return bool(rows) and all(row.latency for row in rows)


def score_span(study: Study, entries: Sequence[Entry]) -> Span:
    """Returns the axis of all validation scores after training."""
    rows = [entry.scored_row for entry in entries if entry.scored_row]
    ends = [end for row in rows for end in (row.validation.low, row.validation.high) if end is not None]
    return error_span(
        [row.validation.estimate for row in rows], ends, study.data.validation * len(study.seeds)
    )


def _score(entry: Entry, errors: Span) -> Record:
    """Returns the validation score of an entry that has one."""
    row = entry.scored_row
    assert row is not None
    low, high = row.validation.low, row.validation.high
    return {
        "design": entry.design.name,
        "label": entry.design.label,
        "depth": entry.design.stack_depth,
        "error": errors.keep(1 - row.validation.estimate),
        "least": None if high is None else errors.keep(1 - high),
        "most": None if low is None else errors.keep(1 - low),
        "score": fmt.accuracy(row.validation),
    }


def _tooltip(study: Study, *more: alt.Tooltip) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("design:N", title="design"),
        alt.Tooltip("score:N", title=f"validation {study.data.metric}, %"),
        *more,
    ]


def score_against_cost(study: Study, entries: Sequence[Entry]) -> alt.LayerChart:
    """Draws validation score over latency (or MACs), with intervals; steps join the Pareto front."""
    names, errors, spent, ms = labels(entries), score_span(study, entries), costs(entries), timed(entries)
    shown = [entry for entry in entries if entry.design.name in spent]
    latencies = [
        entry.scored_row.latency for entry in shown if ms and entry.scored_row and entry.scored_row.latency
    ]
    quartiles = [end for latency in latencies for end in (latency.lower_ms, latency.upper_ms)]
    axis = span([*spent.values(), *quartiles], room=0.12, far=2)  # the cheapest designs are many
    records = [_priced(entry, errors, spent[entry.design.name], ms) for entry in shown]
    title = "latency, ms" if ms else "MACs"
    labelling = alt.Axis(title=title, values=axis.ticks(), format=".3~g" if ms else ".3~s", labelOverlap=True)
    x = alt.X("cost:Q", scale=axis.scale(), axis=labelling)
    y = alt.Y(
        "error:Q",
        scale=errors.scale(reverse=True),
        axis=score_axis(errors, f"validation {study.data.metric}"),
    )
    base = draw(records, 360).encode(x=x, y=y)
    bars = base.mark_rule(opacity=0.65, strokeWidth=1.5).encode(color=colour(names))
    return layers(
        base.transform_filter("datum.front").mark_line(
            interpolate="step-after", color=MUTED, strokeDash=[4, 3], strokeWidth=1.5
        ),
        bars.encode(y=alt.Y("least:Q"), y2="most:Q"),
        bars.encode(x=alt.X("quick:Q"), x2="slow:Q"),
        base.mark_point(filled=True, opacity=1, stroke=PAPER, strokeWidth=1).encode(
            color=colour(names),
            shape=symbol(names),
            size=alt.Size("depth:O", scale=alt.Scale(range=[90, 230]), legend=None),
            tooltip=_tooltip(study, alt.Tooltip("spent:N", title=title)),
        ),
        *_named(draw(_places(shown, spent, axis, errors), 360).encode(x=x, y=y)),
    )


def _priced(entry: Entry, errors: Span, cost: float, ms: bool) -> Record:
    row = entry.scored_row
    latency = row.latency if row and ms else None
    return {
        **_score(entry, errors),
        "cost": cost,
        "quick": latency.lower_ms if latency else None,
        "slow": latency.upper_ms if latency else None,
        "spent": fmt.milliseconds(cost, unit=False) if ms else fmt.count(cost),
        "front": bool(row and row.pareto),
    }


def _places(shown: Sequence[Entry], spent: dict[str, float], axis: Span, errors: Span) -> list[Record]:
    """Returns names for the front's designs and the recommended one, each with its point and its place."""
    placed = {
        e.design.name: Point(
            e.design.name,
            axis.part(spent[e.design.name]),
            errors.part(errors.keep(1 - e.scored_row.validation.estimate)),
        )
        for e in sorted(shown, key=lambda e: spent[e.design.name])
        if e.scored_row
    }
    front = [e.design.name for e in shown if e.scored_row and e.scored_row.pareto]
    recommended = next((e.design.name for e in shown if e.recommended), None)
    wanted = few([name for name in placed if name in front], recommended)
    points = [placed[name] for name in wanted]
    stand = heights(points, [point for name, point in placed.items() if name not in wanted])
    return [
        {
            "design": point.name,
            "cost": spent[point.name],
            "error": errors.at(point.y),
            "height": errors.at(stand[point.name]),
            "leftwards": point.leftwards,
        }
        for point in points
    ]


def _named(base: alt.Chart) -> list[alt.Chart]:
    """Draws a line up from each point, and at its end the name, on a ground that keeps it legible."""
    lines = base.mark_rule(color=MUTED, strokeWidth=0.75).encode(y2="height:Q")
    texts = [
        base.transform_filter(f"{'' if leftwards else '!'}datum.leftwards")
        .mark_text(
            align="right" if leftwards else "left", dx=4 if leftwards else -4, dy=-5, fontSize=12, **style
        )
        .encode(y=alt.Y("height:Q"), text="design:N")
        for style in ({"color": PAPER, "stroke": PAPER, "strokeWidth": 4}, {"color": INK})
        for leftwards in (False, True)
    ]
    return [lines, *texts]


def score_against_depth(study: Study, entries: Sequence[Entry]) -> alt.LayerChart:
    """Draws validation score over stack depth, a line an implementation; with one depth, dots by implementation."""
    names, errors = labels(entries), score_span(study, entries)
    shown = [entry for entry in entries if entry.scored_row]
    depths = sorted({entry.design.stack_depth for entry in shown})
    if len(depths) == 1:
        return _score_by_label(study, shown, names, errors)
    apart = _dodges(names, depths)
    records = [
        {**_score(e, errors), "x": e.design.stack_depth * apart[e.design.label]}
        for e in sorted(shown, key=lambda e: e.design.stack_depth)
    ]
    edge = exp(0.08 * log(depths[-1] / depths[0]))
    scale = alt.Scale(type="log", domain=[depths[0] / edge, depths[-1] * edge], nice=False)
    x = alt.X("x:Q", scale=scale, axis=alt.Axis(title="stack depth, layers", values=depths, format="d"))
    y = alt.Y(
        "error:Q",
        scale=errors.scale(reverse=True),
        axis=score_axis(errors, f"validation {study.data.metric}"),
    )
    base = draw(records).encode(x=x, y=y, color=colour(names))
    return layers(
        base.mark_line(strokeWidth=2),
        base.mark_rule(opacity=0.65, strokeWidth=1.5).encode(y=alt.Y("least:Q"), y2="most:Q"),
        _dots(study, base, names),
    )


def _dots(study: Study, base: alt.Chart, names: Sequence[str]) -> alt.Chart:
    dots: alt.Chart = base.mark_point(filled=True, opacity=1, size=80, stroke=PAPER, strokeWidth=1)
    return dots.encode(shape=symbol(names), tooltip=_tooltip(study))


def _dodges(names: Sequence[str], depths: Sequence[int]) -> dict[str, float]:
    """Returns factors that set implementations of one depth side by side, so that their intervals do not overlap."""
    gap = min(log(b / a) for a, b in pairwise(depths))
    reach = min(0.1 * gap, 0.03 * log(depths[-1] / depths[0]) * len(names) / 2)
    return {
        name: exp(reach * (2 * i / max(1, len(names) - 1) - 1)) if len(names) > 1 else 1.0
        for i, name in enumerate(names)
    }


def _score_by_label(
    study: Study, shown: Sequence[Entry], names: Sequence[str], errors: Span
) -> alt.LayerChart:
    best_first = sorted(shown, key=lambda e: -(e.scored_row.validation.estimate if e.scored_row else 0))
    x = alt.X(
        "error:Q",
        scale=errors.scale(reverse=True),
        axis=score_axis(errors, f"validation {study.data.metric}"),
    )
    y = alt.Y("label:N", sort=[e.design.label for e in best_first], axis=alt.Axis(title=None, labelLimit=170))
    base = draw([_score(e, errors) for e in best_first], 24 * len(best_first)).encode(
        x=x, y=y, color=colour(names)
    )
    return layers(
        base.mark_rule(opacity=0.65, strokeWidth=1.5).encode(x=alt.X("least:Q"), x2="most:Q"),
        _dots(study, base, names),
    )


def receptive_fields(entries: Sequence[Entry]) -> alt.LayerChart:
    """Draws the receptive field of each design, with a tick at the image's size."""
    names = labels(entries)
    records = [record for entry in entries for record in field_records(entry)]
    sizes = [float(str(record[key])) for record in records for key in ("size", "image")]
    axis = span(sizes) if max(sizes) > FAR * min(sizes) else span([0, *sizes])
    x = alt.X("size:Q", scale=axis.scale(), axis=alt.Axis(title="pixels", values=axis.ticks(), format=".3~s"))
    y = alt.Y("row:N", sort=[str(r["row"]) for r in records], axis=alt.Axis(title=None, labelLimit=190))
    base = draw(records, 22 * len(records)).encode(x=x, y=y)
    tooltip = [
        alt.Tooltip("row:N", title="design"),
        alt.Tooltip("extent:N", title="sees, px"),
        alt.Tooltip("image:Q", title="image, px"),
    ]
    return layers(
        base.mark_rule(opacity=0.65, strokeWidth=1.5).encode(x2="image:Q", color=colour(names)),
        base.mark_tick(color=INK, thickness=1.5, bandSize=22).encode(x="image:Q"),
        base.mark_point(filled=True, opacity=1, size=80, stroke=PAPER, strokeWidth=1).encode(
            color=colour(names), shape=symbol(names), tooltip=tooltip
        ),
    )


def field_records(entry: Entry) -> list[Record]:
    """Returns a record for each known axis, or one where the axes are alike; "all" is drawn as the image's size."""
    sides = list(zip(entry.field_sizes, entry.image, AXES.get(len(entry.image), ()), strict=False))
    sized = [(size, side, axis) for size, side, axis in sides if size is not None]
    alike = len({(size, side) for size, side, _ in sides}) == 1
    return [
        {
            "row": entry.design.name if alike else f"{entry.design.name}, {axis}",
            "label": entry.design.label,
            "size": side if size == inf else size,
            "extent": "all" if size == inf else f"{size:g}",
            "image": side,
        }
        for size, side, axis in (sized[:1] if alike else sized)
    ]

"""The charts with their title, a note on how to read them, the main numbers as text, and the data.

Who cannot see a chart, or has JavaScript off, gets the same facts from the text and the table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

import altair as alt

from convblocks import formatting as fmt
from convblocks.records import Study, Summary
from convblocks.report import charts, curves
from convblocks.report.conditions import MATCHES
from convblocks.report.entries import Entry, labels
from convblocks.report.scales import Span
from convblocks.text import listed, plural, sentence

UNFINISHED = "There is nothing to draw yet: no run has finished."
Draw = Callable[[], alt.LayerChart]


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart of a figure; `title` tells it from the others."""

    title: str
    chart: alt.LayerChart


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its text: `reading` explains it, `numbers` states its result; `rows` are its data as a table."""

    key: str
    title: str
    reading: str
    numbers: str
    legend: bool = True
    panels: tuple[Panel, ...] = ()
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def figures(study: Study, summary: Summary, entries: Sequence[Entry]) -> list[Figure]:
    """Returns the figures in the order of the page; one that cannot be drawn says why. A search has no stack depths."""
    return [
        _cost(study, summary, entries),
        *([] if study.proposer else [_depth(study, entries)]),
        _training(study, entries),
        _gradients(entries),
        _fields(entries),
    ]


def _cost(study: Study, summary: Summary, entries: Sequence[Entry]) -> Figure:
    metric = study.data.metric
    key, title = "cost", sentence(f"{metric} against cost")
    spent = charts.costs(entries)
    if not spent:
        return Figure(key, title, "", UNFINISHED)
    ms = charts.timed(entries)
    shown = sorted((e for e in entries if e.design.name in spent), key=lambda e: spent[e.design.name])
    price = {
        name: fmt.milliseconds(cost) if ms else f"{fmt.count(cost)} MACs" for name, cost in spent.items()
    }
    front = [e for e in shown if e.scored_row and e.scored_row.pareto]
    reading = (
        f"Up and to the left is better. Dashed steps join the designs that none beats: none has a better validation "
        f"{metric} and not measurably more {MATCHES.get(summary.cost, summary.cost) or 'cost'}, or the same and "
        f"measurably less. {_bars(shown, 'Upright bars')}"
        f"{'Level bars are quartiles of the latency. ' if ms else ''}{_larger(shown)}"
        f"{_scale_note(charts.score_span(study, entries), study.data.metric)}"
    )
    numbers = f"The front: {_named(front, price)}. " if front else ""
    return Figure(
        key,
        title,
        reading,
        f"{numbers}{_range(shown, study.data.metric)}",
        True,
        (Panel("", charts.score_against_cost(study, entries)),),
        ("Design", "Latency" if ms else "MACs", f"Validation {metric}, %", "On the front"),
        tuple((e.design.name, price[e.design.name], _score(e), "yes" if e in front else "no") for e in shown),
    )


def _larger(shown: Sequence[Entry]) -> str:
    return "Larger symbols are deeper stacks. " if len({e.design.stack_depth for e in shown}) > 1 else ""


def _bars(shown: Sequence[Entry], which: str) -> str:
    if any(e.scored_row and e.scored_row.seeds > 1 for e in shown):
        return f"{which} are 95 % intervals. "
    return "One seed gives no intervals. "


def _scale_note(errors: Span, metric: str) -> str:
    if not errors.logarithmic:
        return ""
    end = (
        " It has no place for 100 %, which stands at its end as half an error would."
        if errors.perfect
        else ""
    )
    return (
        f"The {metric} axis is logarithmic in the error: from 98 to 99 % is as far as from 60 to 80 %.{end}"
    )


def _named(entries: Sequence[Entry], price: dict[str, str]) -> str:
    texts = [
        f"{e.design.name}, {fmt.percent(e.scored_row.validation.estimate)} at {price[e.design.name]}"
        for e in entries
        if e.scored_row
    ]
    return "; ".join(texts[:8]) + (f"; and {len(texts) - 8} more" if len(texts) > 8 else "")


def _range(entries: Sequence[Entry], metric: str) -> str:
    rows = [(e.scored_row.validation.estimate, e.design.name) for e in entries if e.scored_row]
    (low, worst), (high, best) = min(rows), max(rows)
    if worst == best:
        return f"Validation {metric} is {fmt.percent(high)} for {best}."
    return f"Validation {metric} goes from {fmt.percent(low)} ({worst}) to {fmt.percent(high)} ({best})."


def _score(entry: Entry) -> str:
    return fmt.accuracy(entry.scored_row.validation) if entry.scored_row else fmt.MISSING


def _depth(study: Study, entries: Sequence[Entry]) -> Figure:
    key = "depth"
    shown = [e for e in entries if e.scored_row]
    depths = sorted({e.design.stack_depth for e in shown})
    against = "against stack depth" if len(depths) != 1 else f"at stack depth {depths[0]}"
    title = sentence(f"{study.data.metric} {against}")
    if not shown:
        return Figure(key, title, "", UNFINISHED)
    reading = f"{_bars(shown, 'Bars')}{_scale_note(charts.score_span(study, entries), study.data.metric)}"
    by_label = {label: [e for e in shown if e.design.label == label] for label in labels(shown)}
    changes = [
        f"{label} {fmt.percent(ends[0], unit=False)} → {fmt.percent(ends[1])}"
        for label, group in by_label.items()
        if len(depths) > 1 and len(ends := _ends(group, depths)) == 2
    ]
    numbers = (
        f"From {depths[0]} to {depths[-1]} layers: {'; '.join(changes[:10])}."
        if changes
        else _range(shown, study.data.metric)
    )
    return Figure(
        key,
        title,
        reading,
        numbers,
        len(depths) > 1,
        (Panel("", charts.score_against_depth(study, entries)),),
        ("Implementation", *(f"{plural(depth, 'layer')}, %" for depth in depths)),
        tuple(
            (
                label,
                *(next((_score(e) for e in group if e.design.stack_depth == d), fmt.MISSING) for d in depths),
            )
            for label, group in by_label.items()
        ),
    )


def _ends(group: Sequence[Entry], depths: Sequence[int]) -> list[float]:
    """Returns the validation score at the least and at the greatest depth."""
    scores = {e.design.stack_depth: e.scored_row.validation.estimate for e in group if e.scored_row}
    return [scores[depth] for depth in (depths[0], depths[-1]) if depth in scores]


def _by_depth(entries: Sequence[Entry], draw: Callable[[int], alt.LayerChart]) -> tuple[Panel, ...]:
    depths = sorted({e.design.stack_depth for e in entries})
    return tuple(Panel(f"Stack depth {depth}" if len(depths) > 1 else "", draw(depth)) for depth in depths)


def _training(study: Study, entries: Sequence[Entry]) -> Figure:
    key, title = "training", "Training curves"
    shown = [e for e in entries if curves.mean_curve(e.runs)]
    if not shown:
        return Figure(key, title, "", UNFINISHED)
    mean_curves = {e.design.name: curves.mean_curve(e.runs) for e in shown}
    note = _scale_note(curves.curve_span(study, entries), study.data.metric)
    reading = f"Thick lines are means over seeds, thin ones single seeds. {note}"
    last = {name: curve[-1] for name, curve in mean_curves.items()}
    worst, best = min(last, key=lambda n: last[n]), max(last, key=lambda n: last[n])
    numbers = (
        f"After the last epoch validation {study.data.metric}, mean over seeds, goes from "
        f"{fmt.percent(last[worst])} ({worst}) to {fmt.percent(last[best])} ({best})."
    )
    return Figure(
        key,
        title,
        reading,
        numbers,
        True,
        _by_depth(shown, lambda depth: curves.training_curves(study, entries, depth)),
        ("Design", "Epochs", "After the first, %", "Halfway, %", "After the last, %"),
        tuple(
            (
                name,
                str(len(curve)),
                *(fmt.percent(curve[i], unit=False) for i in (0, (len(curve) - 1) // 2, -1)),
            )
            for name, curve in mean_curves.items()
        ),
    )


def _gradients(entries: Sequence[Entry]) -> Figure:
    key, title = "gradients", "Gradient norm, layer by layer"
    axis = curves.norm_span(entries)
    shown = [e for e in entries if any(map(curves.drawable, e.design.gradient_norms))]
    if axis is None:
        return Figure(key, title, "", "There is nothing to draw: no gradient norm is a positive number.")
    span = axis
    reading = (
        "At initialisation, before any training. A level line passes the gradient on as it is; "
        "a steep one lets the first layers learn much faster or slower than the last."
    )
    lost = [e.design.name for e in entries if not all(map(curves.drawable, e.design.gradient_norms))]
    gaps = f" Norms of 0, infinity or not a number are left out in {listed(lost)}." if lost else ""
    return Figure(
        key,
        title,
        reading,
        f"{_ratios(shown)}{gaps}".strip(),
        True,
        _by_depth(shown, lambda depth: curves.gradient_norms(entries, depth, span)),
        ("Design", "First layer", "Last layer", "First over last"),
        tuple(
            (
                e.design.name,
                *(fmt.significant(e.design.gradient_norms[i]) for i in (0, -1)),
                fmt.ratio(e.design.gradient_ratio),
            )
            for e in shown
        ),
    )


def _ratios(entries: Sequence[Entry]) -> str:
    ratios = sorted((r, e.design.name) for e in entries if isfinite(r := e.design.gradient_ratio))
    if not ratios:
        return ""
    (low, first), (high, last) = ratios[0], ratios[-1]
    if len(ratios) == 1:
        return f"Norm of the first over that of the last layer: {fmt.ratio(low)} in {first}."
    return (
        f"The norm of the first over that of the last layer goes from {fmt.ratio(low)} ({first}) "
        f"to {fmt.ratio(high)} ({last})."
    )


def _extent(entry: Entry) -> list[float]:
    return [0.0 if size is None else size for size in entry.field_sizes]


def _fields(entries: Sequence[Entry]) -> Figure:
    key, title = "fields", "Receptive field against image size"
    shown = sorted((e for e in entries if charts.field_records(e)), key=lambda e: e.design.stack_depth)
    if not shown:
        return Figure(key, title, "", "There is nothing to draw: no design has a receptive field.")
    image = " × ".join(map(str, shown[0].image))
    whole = [e for e in shown if e.sees_whole_image]
    reading = (
        f"How much of the input one output of the last block sees. The upright line is the image, {image} px; "
        "convolutions whose input already sees all of it have nothing new to look at."
    )
    least, most = (pick(shown, key=_extent) for pick in (min, max))
    return Figure(
        key,
        title,
        reading,
        f"{len(whole)} of {plural(len(shown), 'design')} {'sees' if len(whole) == 1 else 'see'} the whole image. "
        f"Receptive fields go from {least.field_text} px ({least.design.name}) "
        f"to {most.field_text} px ({most.design.name}).",
        # its axis names the designs
        False,
        (Panel("", charts.receptive_fields(shown)),),
        ("Design", "Receptive field, px", "Whole image"),
        tuple((e.design.name, e.field_text, "yes" if e in whole else "no") for e in shown),
    )

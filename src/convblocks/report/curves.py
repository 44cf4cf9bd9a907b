"""Charts of designs as lines, one chart a stack depth: over epochs and over layers."""

from collections.abc import Sequence
from math import ceil, isfinite
from statistics import fmean
from typing import TypeGuard

import altair as alt

from convblocks import formatting as fmt
from convblocks.records import Run, Study
from convblocks.report.charts import Record, draw, layers
from convblocks.report.entries import Entry, labels
from convblocks.report.scales import (
    PAPER,
    Span,
    colour,
    error_span,
    norm_axis,
    score_axis,
    span,
    symbol,
    whole_ticks,
)

# points drawn of one training curve
MOST_EPOCHS = 60
# symbols along a line of gradient norms
MARKS = 6


def curve_span(study: Study, entries: Sequence[Entry]) -> Span:
    """Returns the axis of all validation scores during training."""
    passed = [epoch.validation_score for e in entries for run in e.runs for epoch in run.epochs]
    return error_span(passed, (), study.data.validation * len(study.seeds))


def training_curves(study: Study, entries: Sequence[Entry], depth: int) -> alt.LayerChart:
    """Draws validation score over epochs at one stack depth: a thin line a seed, a thick one for their mean."""
    names, errors = labels(entries), curve_span(study, entries)
    shown = [entry for entry in entries if entry.design.stack_depth == depth]
    records = [record for entry in shown for record in _curves(entry, errors)]
    last = max((len(run.epochs) for entry in shown for run in entry.runs), default=1)
    x = alt.X(
        "epoch:Q",
        scale=alt.Scale(domain=[1, max(2, last)], nice=False),
        axis=alt.Axis(title="epoch", values=whole_ticks(max(2, last)), format="d"),
    )
    y = alt.Y(
        "error:Q",
        scale=errors.scale(reverse=True),
        axis=score_axis(errors, f"validation {study.data.metric}"),
    )
    base = draw(records, 280).encode(x=x, y=y, color=colour(names), detail="seed:N")
    mean = base.transform_filter("datum.seed == 'mean'")
    tooltip = [
        alt.Tooltip("design:N", title="design"),
        alt.Tooltip("epoch:Q", title="epoch"),
        alt.Tooltip("score:N", title=f"validation {study.data.metric}, mean over seeds"),
    ]
    return layers(
        base.transform_filter("datum.seed != 'mean'").mark_line(strokeWidth=1, opacity=0.3),
        mean.mark_line(strokeWidth=2.25),
        _symbols(mean.transform_filter("datum.end"), names, tooltip),
    )


def _symbols(base: alt.Chart, names: Sequence[str], tooltip: list[alt.Tooltip]) -> alt.Chart:
    dots: alt.Chart = base.mark_point(filled=True, opacity=1, size=70, stroke=PAPER, strokeWidth=1)
    return dots.encode(shape=symbol(names), tooltip=tooltip)


def _curves(entry: Entry, errors: Span) -> list[Record]:
    """Returns the points of every line of one design, with short keys, for there are many."""
    mean = mean_curve(entry.runs)
    lines = {"mean": mean} | {str(run.seed): [e.validation_score for e in run.epochs] for run in entry.runs}
    records: list[Record] = [
        {
            "label": entry.design.label,
            "seed": seed,
            "epoch": epoch,
            "error": round(errors.keep(1 - accuracy), 6),
        }
        for seed, accuracies in lines.items()
        for epoch, accuracy in _thinned(accuracies)
        if isfinite(accuracy)
    ]
    for record in records:
        if record["seed"] == "mean" and record["epoch"] == len(mean):
            record |= {"end": True, "design": entry.design.name, "score": fmt.percent(mean[-1])}
    return records


def mean_curve(runs: Sequence[Run]) -> list[float]:
    """Returns the mean validation score after each epoch, over the runs that ended; over all if none did."""
    ended = [run for run in runs if not run.failure] or runs
    return [
        fmean(epoch.validation_score for epoch in epochs)
        for epochs in zip(*(run.epochs for run in ended), strict=False)
    ]


def _thinned(accuracies: Sequence[float]) -> list[tuple[int, float]]:
    """Returns epochs from 1 with their values, at most about MOST_EPOCHS of them, the last one always."""
    every = ceil(len(accuracies) / MOST_EPOCHS)
    return [(i, a) for i, a in enumerate(accuracies, 1) if (len(accuracies) - i) % every == 0]


def norm_span(entries: Sequence[Entry]) -> Span | None:
    """Returns the axis of all gradient norms that have a logarithm; None if there are none."""
    norms = [norm for entry in entries for norm in entry.design.gradient_norms if drawable(norm)]
    if not norms:
        return None
    axis = span(norms)
    return Span(axis.low, axis.high, True) if axis.low > 0 else Span(min(norms) / 1.2, max(norms) * 1.2, True)


def drawable(norm: float | None) -> TypeGuard[float]:
    """Returns true where a logarithmic axis has a place for the norm."""
    return norm is not None and isfinite(norm) and norm > 0


def gradient_norms(entries: Sequence[Entry], depth: int, axis: Span) -> alt.LayerChart:
    """Draws the gradient norm of each main-path convolution at initialisation, a line a design of one stack depth."""
    names = labels(entries)
    shown = [entry for entry in entries if entry.design.stack_depth == depth]
    records = [record for entry in shown for record in _norms(entry)]
    last = max((len(entry.design.gradient_norms) for entry in shown), default=2)
    x = alt.X(
        "layer:Q",
        scale=alt.Scale(domain=[1, max(2, last)], nice=False),
        axis=alt.Axis(title="convolution, from the input", values=whole_ticks(max(2, last)), format="d"),
    )
    y = alt.Y("norm:Q", scale=axis.scale(), axis=norm_axis(axis, "gradient norm"))
    base = draw(records, 280).encode(x=x, y=y, color=colour(names), detail="design:N")
    tooltip = [
        alt.Tooltip("design:N", title="design"),
        alt.Tooltip("layer:Q", title="convolution"),
        alt.Tooltip("norm:Q", title="gradient norm", format=".3~g"),
    ]
    marked = base.transform_filter("datum.marked")
    return layers(base.mark_line(strokeWidth=2), _symbols(marked, names, tooltip))


def _norms(entry: Entry) -> list[Record]:
    """Returns the points of one design; a norm that cannot be drawn is null, which breaks the line."""
    norms = entry.design.gradient_norms
    marked = {round(1 + i * (len(norms) - 1) / MARKS) for i in range(MARKS + 1)}
    return [
        {
            "design": entry.design.name,
            "label": entry.design.label,
            "layer": layer,
            "norm": norm if drawable(norm) else None,
            "marked": drawable(norm) and layer in marked,
        }
        for layer, norm in enumerate(norms, 1)
    ]

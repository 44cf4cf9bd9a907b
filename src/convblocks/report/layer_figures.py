"""Charts of an analysis along depth, with their text: the cost and the receptive field of each layer."""

from collections.abc import Sequence

import altair as alt

from convblocks import formatting as fmt
from convblocks.records import Analysis, Layer
from convblocks.report.charts import Record, draw, layers
from convblocks.report.entries import AXES
from convblocks.report.figures import Figure, Panel
from convblocks.report.scales import COLOURS, FAR, INK, MUTED, span, whole_ticks
from convblocks.text import plural

# opacity of unproductive layers
FAINT = 0.45
_OPACITY = alt.condition("datum.wasted", alt.value(FAINT), alt.value(1))
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def layer_figures(analysis: Analysis) -> list[Figure]:
    """Returns two figures: cost by layer, and receptive field by layer."""
    shown = [layer for layer in analysis.layers if layer.macs or layer.params or layer.saved_bytes]
    return [_costs(analysis, shown), _fields(analysis, shown)]


def _costs(analysis: Analysis, shown: Sequence[Layer]) -> Figure:
    key, title = "costs", "Cost by layer"
    if not shown:
        return Figure(key, title, "", "There is nothing to draw: no layer has MACs or parameters.")
    wasted = " Faint bars are unproductive layers." if analysis.unproductive else ""
    panels = [
        Panel("MACs", _bars(shown, [layer.macs for layer in shown], "MACs")),
        Panel("Parameters", _bars(shown, [layer.params for layer in shown], "parameters")),
    ]
    if analysis.saved_bytes:
        kept = [layer.saved_bytes for layer in shown]
        panels.append(Panel("Saved for the backward pass", _bars(shown, kept, "")))
    reading = (
        f"From the input on the left to the output: layers with parameters, MACs or saved bytes.{wasted}"
    )
    return Figure(key, title, reading, _costliest(analysis), False, tuple(panels))


def _costliest(analysis: Analysis) -> str:
    """Returns the layers of the highest cost, as sentences."""
    sentences = []
    for figure, noun, write in (
        ("macs", "MACs", fmt.count),
        ("params", "parameters", fmt.count),
        ("saved_bytes", "saved bytes", fmt.size),
    ):
        whole = getattr(analysis, figure)
        most = max(analysis.layers, key=lambda layer: getattr(layer, figure))
        part = getattr(most, figure)
        if whole and part:
            share = fmt.percent(part / whole)
            sentences.append(f"Most {noun}: {most.name or most.type}, {write(part)} ({share}).")
    return " ".join(sentences)


def _bars(shown: Sequence[Layer], figures: Sequence[int], noun: str) -> alt.LayerChart:
    """Draws one bar a layer; bytes where no noun is given."""
    power = 0 if noun else min(len(UNITS) - 1, max(0, (max(figures).bit_length() - 1) // 10))
    records: list[Record] = [
        {
            "layer": layer.name or layer.type,
            "start": at - 0.5,
            "end": at + 0.5,
            "figure": figure / 1024**power,
            "text": fmt.count(figure) if noun else fmt.size(figure),
            "wasted": layer.productive is False,
        }
        for at, (layer, figure) in enumerate(zip(shown, figures, strict=True), 1)
        if figure
    ]
    labels = alt.Axis(title=noun or UNITS[power], format=".3~s" if noun else ".3~g", tickCount=5)
    base = draw(records, 220).encode(
        x=_depth(len(shown), alt.X("start:Q")),
        x2="end:Q",
        y=alt.Y("figure:Q", axis=labels),
        y2=alt.Y2Datum(0),
        tooltip=[alt.Tooltip("layer:N", title="layer"), alt.Tooltip("text:N", title=noun or "saved")],
    )
    return layers(base.mark_rect(color=COLOURS[0]).encode(opacity=_OPACITY))


def _depth(number: int, x: alt.X) -> alt.X:
    axis = alt.Axis(title="layer, from the input", values=whole_ticks(max(2, number)), format="d")
    return x.scale(alt.Scale(domain=[0.5, max(2, number) + 0.5], nice=False)).axis(axis)


def _fields(analysis: Analysis, shown: Sequence[Layer]) -> Figure:
    key, title = "fields", "Receptive field along depth"
    size = analysis.spatial_size
    sized = [[i for i, layer in enumerate(shown) if _extent(layer, axis)] for axis in range(len(size))]
    if not any(sized):
        return Figure(
            key, title, "", "There is nothing to draw: no layer has a receptive field that is known."
        )
    alike = len(set(size)) == 1 and all(
        len({_extent(layer, axis) for axis in range(len(size))}) == 1 for layer in shown
    )
    axes = [axis for axis in range(1 if alike else len(size)) if sized[axis]]
    names = AXES.get(len(size), ())
    panels = [
        Panel("" if alike else f"Along the {names[axis]}", _curve(shown, axis, size[axis])) for axis in axes
    ]
    reading = (
        "How much of the input one output of each layer sees. The level line is the input's size; layers whose input "
        "already sees all of it, drawn faint, have nothing new to look at."
    )
    if any(layer.local_field != layer.receptive_field for layer in shown):
        reading += " What gates such as squeeze-excite show of the whole input is left out."
    return Figure(key, title, reading, _largest(shown, axes, max(size)), False, tuple(panels))


def _largest(shown: Sequence[Layer], axes: Sequence[int], side: int) -> str:
    """Returns a sentence on the largest field that is drawn, and one on the fields that are not."""
    most, layer = max(
        ((_extent(layer, axis), layer) for layer in shown for axis in axes), key=lambda pair: pair[0]
    )
    times = fmt.significant(most / side)
    largest = f"The largest field is {most:g} px ({layer.name or layer.type}), {times} times the input."
    whole = sum("all" in layer.local_field for layer in shown)
    see = "sees" if whole == 1 else "see"
    not_drawn = f"Not drawn: {plural(whole, 'layer')} that {see} all, by an op on the whole map."
    return f"{largest} {not_drawn}" if whole else largest


def _extent(layer: Layer, axis: int) -> float:
    """Returns the size of the field along an axis; 0 where it is unknown or all."""
    span = layer.local_field[axis]
    return float(span[2] - span[1] + 1) if isinstance(span, tuple) else 0.0


def _curve(shown: Sequence[Layer], axis: int, side: int) -> alt.LayerChart:
    """Draws a dot a layer, and a line at the input's size."""
    records: list[Record] = [
        {
            "layer": layer.name or layer.type,
            "at": at,
            "size": extent,
            "wasted": layer.productive is False,
        }
        for at, layer in enumerate(shown, 1)
        if (extent := _extent(layer, axis))
    ]
    sizes = [side, *(float(str(record["size"])) for record in records)]
    scale = span(sizes) if max(sizes) > FAR * min(sizes) else span([0, *sizes])
    y = alt.Y(
        "size:Q", scale=scale.scale(), axis=alt.Axis(title="pixels", values=scale.ticks(), format=".3~s")
    )
    base = draw(records, 280).encode(
        x=_depth(len(shown), alt.X("at:Q")),
        y=y,
        tooltip=[alt.Tooltip("layer:N", title="layer"), alt.Tooltip("size:Q", title="sees, px")],
    )
    image = draw([{"side": side, "text": f"input, {side} px", "at": 0.5}], 280)
    return layers(
        image.mark_rule(color=INK, strokeDash=[5, 4]).encode(y=alt.Y("side:Q")),
        image.mark_text(align="left", dx=4, dy=-8, color=MUTED, fontSize=12).encode(
            x=alt.X("at:Q"), y=alt.Y("side:Q"), text="text:N"
        ),
        base.mark_circle(color=COLOURS[0], size=36).encode(opacity=_OPACITY),
    )

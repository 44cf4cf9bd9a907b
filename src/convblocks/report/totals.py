"""What an analysis says as a whole, in words: the same in the terminal and on the page."""

from collections.abc import Sequence

from convblocks.formatting import MISSING, count, percent, significant, size
from convblocks.records import Analysis, Layer
from convblocks.records.analysis import AxisField
from convblocks.text import listed, plural, times

NOT_TIME = "MACs are not time: layers of equal MACs may take unequal times, so measure before you choose."
BOUND = "≥\N{NO-BREAK SPACE}"


def facts(analysis: Analysis) -> list[tuple[str, str]]:
    """Each figure with its name."""
    least = BOUND if analysis.lower_bounds else ""
    weights, inputs = analysis.macs_weight_gradient, analysis.macs_input_gradient
    moved = analysis.bytes_read + analysis.bytes_written
    return [
        ("parameters", _params(analysis)),
        ("MACs forward", f"{least}{count(analysis.macs)}"),
        (
            "MACs backward",
            f"{least}{count(weights + inputs)}: {count(weights)} for the weights' gradients and {count(inputs)} "
            "for the inputs'",
        ),
        (
            "activations",
            f"{least}{size(analysis.activation_bytes)} put out by convolutions and linear layers",
        ),
        ("saved for backward", f"{least_saved(analysis)}{size(analysis.saved_bytes)} in training"),
        (
            "bytes moved",
            f"{least}{size(moved)}: {size(analysis.bytes_read)} read, {size(analysis.bytes_written)} written",
        ),
        ("intensity", f"{significant(analysis.macs / moved if moved else None)} MACs a byte moved"),
        ("receptive field", seen(analysis)),
    ]


def least_saved(analysis: Analysis) -> str:
    """The mark of a lower bound, if the bytes saved are one."""
    return BOUND if analysis.unsaved_ops else ""


def inputs(analysis: Analysis) -> str:
    """3×224×224; with a dtype where it is not float32."""
    named = [
        times(axes) + ("" if dtype == "float32" else f" {dtype}")
        for axes, dtype in zip(analysis.input_sizes, analysis.dtypes, strict=True)
    ]
    return listed(named)


def axes(names: Sequence[str], assumed: str) -> str:
    """What the axes of the input are taken to be, and why, where they are assumed; else nothing."""
    if not assumed:
        return ""
    return f"The axes of the input are taken to be {','.join(names)}, since {assumed}; the option axes names others."


def extent(field: Sequence[AxisField]) -> str:
    """Size of a receptive field in pixels: 427, or 15×3 where axes differ; "all" if the whole input is seen."""
    axes = [
        MISSING if axis is None else axis if isinstance(axis, str) else f"{axis[2] - axis[1] + 1:g}"
        for axis in field
    ]
    return (axes[0] if len(set(axes)) == 1 else times(axes)) if axes else MISSING


def bounded(field: Sequence[AxisField]) -> bool:
    """Whether it is a part of the input that is known along every axis."""
    return bool(field) and all(isinstance(axis, tuple) for axis in field)


def last_map(analysis: Analysis) -> Layer | None:
    """The last layer whose outputs see a part of the input, but for gates."""
    return next((layer for layer in reversed(analysis.layers) if bounded(layer.local_field)), None)


def seen(analysis: Analysis) -> str:
    """What an output sees, and what it saw before all was seen."""
    if not analysis.receptive_field:
        return "the input has no spatial axes"
    end, last = extent(analysis.receptive_field), last_map(analysis)
    told = {"all": "the whole input", MISSING: "unknown"}.get(end, f"{end} px")
    if last is None or extent(last.local_field) == end:
        return told
    gates = " but for gates" if last.local_field != last.receptive_field else ""
    return f"{told}; {extent(last.local_field)} px at {last.name or last.type} before{gates}"


def unknown(analysis: Analysis) -> str:
    """Which ops have no rule; empty if all have one."""
    told = []
    if analysis.unknown_ops:
        share = percent(analysis.unknown_share)
        told.append(
            f"No rule for {listed(analysis.unknown_ops)}, {share} of the ops: what they cost is not counted."
        )
    if kept := [name for name in analysis.unsaved_ops if name not in analysis.unknown_ops]:
        told.append(f"No rule for what {listed(kept)} keeps for the backward pass.")
    if not analysis.batch_first:
        rows = "The output does not have one row for the one example: figures may not hold for other batches"
        told.append(f"{rows}; see convblocks advise.")
        if len(told) == 1:
            return told[0]
    return " ".join([*told, "Figures with ≥ are lower bounds."]) if told else ""


def unproductive(analysis: Analysis) -> str:
    """Which layers already have the whole image before them, and what removing them would save."""
    found = analysis.unproductive
    image = times(analysis.spatial_size)
    if not found:
        sees = [layer for layer in analysis.layers if layer.productive is not None]
        known = ", as far as fields are known" if analysis.unknown_ops else ""
        return f"No unproductive layer at {image}{known}." if sees else ""
    params, macs = (
        sum(getattr(layer, name) for layer in analysis.layers if layer.productive is False)
        for name in ("params", "macs")
    )
    place = f"{found[0].name or found[0].type}{' on' if len(found) > 1 else ''}"
    return (
        f"{plural(len(found), 'unproductive layer')} with MACs, from {place}: what enters already sees the whole "
        f"{image} image (Richter et al. 2021). Removing them, with their norms, would save "
        f"{_saved(params, analysis.params, 'parameters')} and {_saved(macs, analysis.macs, 'MACs')}; "
        "`convblocks advise` tells which of them can be cut out whole."
    )


def _saved(part: int, whole: int, noun: str) -> str:
    return f"{count(part)} {noun} ({percent(part / whole if whole else None)})"


def _params(analysis: Analysis) -> str:
    frozen = analysis.params - analysis.trainable_params
    unread = analysis.params - sum(layer.params for layer in analysis.layers)
    told = f"{count(analysis.params)}, {size(analysis.param_bytes)}"
    notes = (
        f"{count(frozen)} frozen" if frozen else "",
        f"{count(unread)} read by no layer that runs" if unread else "",
    )
    return "; ".join([told, *filter(None, notes)])

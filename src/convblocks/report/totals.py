"""An analysis as a whole, as sentences: the same in the terminal and on the page."""

from collections.abc import Sequence

from convblocks.formatting import MISSING, count, percent, significant, size
from convblocks.records import Analysis, Layer
from convblocks.records.analysis import AxisField
from convblocks.text import listed, plural, times

NOT_TIME = "MACs are not time: layers of equal MACs may take unequal times, so measure before you choose."
BOUND = "≥\N{NO-BREAK SPACE}"


def facts(analysis: Analysis) -> list[tuple[str, str]]:
    """Returns each figure with its name."""
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
        ("receptive field", field_text(analysis)),
    ]


def least_saved(analysis: Analysis) -> str:
    """Returns the mark of a lower bound, if the bytes saved are one."""
    return BOUND if analysis.unsaved_ops else ""


def inputs(analysis: Analysis) -> str:
    """Returns the inputs as 3×224×224; with a dtype where it is not float32."""
    named = [
        times(axes) + ("" if dtype == "float32" else f" {dtype}")
        for axes, dtype in zip(analysis.input_sizes, analysis.dtypes, strict=True)
    ]
    return listed(named)


def axes(names: Sequence[str], assumed: str) -> str:
    """Returns a sentence on the axes of the input and the reason, where they are assumed; else nothing."""
    if not assumed:
        return ""
    return f"The axes of the input are taken to be {','.join(names)}, since {assumed}; the option axes names others."


def extent(field: Sequence[AxisField]) -> str:
    """Returns the size of a receptive field in pixels: 427, or 15×3 where axes differ; "all" for the whole input."""
    axes = [
        MISSING if axis is None else axis if isinstance(axis, str) else f"{axis[2] - axis[1] + 1:g}"
        for axis in field
    ]
    return (axes[0] if len(set(axes)) == 1 else times(axes)) if axes else MISSING


def bounded(field: Sequence[AxisField]) -> bool:
    """Returns true for a field that is known along every axis and a part of the input."""
    return bool(field) and all(isinstance(axis, tuple) for axis in field)


def last_map(analysis: Analysis) -> Layer | None:
    """Returns the last layer whose outputs see a part of the input, but for gates."""
    return next((layer for layer in reversed(analysis.layers) if bounded(layer.local_field)), None)


def field_text(analysis: Analysis) -> str:
    """Returns the receptive field of the output, and the last one before it is the whole input."""
    if not analysis.receptive_field:
        return "the input has no spatial axes"
    end, last = extent(analysis.receptive_field), last_map(analysis)
    text = {"all": "the whole input", MISSING: "unknown"}.get(end, f"{end} px")
    if last is None or extent(last.local_field) == end:
        return text
    gates = " but for gates" if last.local_field != last.receptive_field else ""
    return f"{text}; {extent(last.local_field)} px at {last.name or last.type} before{gates}"


def unknown(analysis: Analysis) -> str:
    """Returns sentences on the ops that have no rule; empty if all have one."""
    sentences = []
    if analysis.unknown_ops:
        share = percent(analysis.unknown_share)
        sentences.append(
            f"No rule for {listed(analysis.unknown_ops)}, {share} of the ops: what they cost is not counted; "
            "convblocks.register_op gives an op its rules."
        )
    if kept := [name for name in analysis.unsaved_ops if name not in analysis.unknown_ops]:
        sentences.append(f"No rule for what {listed(kept)} keeps for the backward pass.")
    if not analysis.batch_first:
        rows = "The output does not have one row for the one example: figures may not hold for other batches"
        sentences.append(f"{rows}; see convblocks advise.")
        if len(sentences) == 1:
            return sentences[0]
    return " ".join([*sentences, "Figures with ≥ are lower bounds."]) if sentences else ""


def unproductive(analysis: Analysis) -> str:
    """Returns a sentence on the layers whose input already sees the whole image, and what they cost."""
    layers = analysis.unproductive
    image = times(analysis.spatial_size)
    if not layers:
        productive = [layer for layer in analysis.layers if layer.productive is not None]
        limit = ", as far as fields are known" if analysis.unknown_ops else ""
        return f"No unproductive layer at {image}{limit}." if productive else ""
    params, macs = (
        sum(getattr(layer, name) for layer in analysis.layers if layer.productive is False)
        for name in ("params", "macs")
    )
    place = f"{layers[0].name or layers[0].type}{' on' if len(layers) > 1 else ''}"
    return (
        f"{plural(len(layers), 'unproductive layer')} with MACs, from {place}: what enters already sees the whole "
        f"{image} image (Richter et al. 2021). Removing them, with their norms, would save "
        f"{_saved(params, analysis.params, 'parameters')} and {_saved(macs, analysis.macs, 'MACs')}; "
        "`convblocks advise` tells which of them can be cut out whole."
    )


def _saved(part: int, whole: int, noun: str) -> str:
    return f"{count(part)} {noun} ({percent(part / whole if whole else None)})"


def _params(analysis: Analysis) -> str:
    frozen = analysis.params - analysis.trainable_params
    unread = analysis.params - sum(layer.params for layer in analysis.layers)
    text = f"{count(analysis.params)}, {size(analysis.param_bytes)}"
    notes = (
        f"{count(frozen)} frozen" if frozen else "",
        f"{count(unread)} read by no layer that runs" if unread else "",
    )
    return "; ".join([text, *filter(None, notes)])

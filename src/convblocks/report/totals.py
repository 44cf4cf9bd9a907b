"""What an analysis says as a whole, in words: the same in the terminal and on the page."""

from convblocks.records import Analysis, Layer
from convblocks.report.format import MISSING, count, listing, percent, plural, significant, size

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
        ("saved for backward", f"{least}{size(analysis.saved_bytes)}"),
        (
            "bytes moved",
            f"{least}{size(moved)}: {size(analysis.bytes_read)} read, {size(analysis.bytes_written)} written",
        ),
        ("intensity", f"{significant(analysis.macs / moved if moved else None)} MACs a byte moved"),
        ("receptive field", seen(analysis)),
    ]


def inputs(analysis: Analysis) -> str:
    """3×224×224; with a dtype where it is not float32."""
    named = [
        "×".join(map(str, axes)) + ("" if dtype == "float32" else f" {dtype}")
        for axes, dtype in zip(analysis.input_sizes, analysis.dtypes, strict=True)
    ]
    return listing(named)


def extent(layer: Layer | Analysis) -> str:
    """Size of a receptive field in pixels: 427, or 15×3 where axes differ; "all" if the whole input is seen."""
    axes = [
        MISSING if axis is None else axis if isinstance(axis, str) else f"{axis[2] - axis[1] + 1:g}"
        for axis in layer.receptive_field
    ]
    return (axes[0] if len(set(axes)) == 1 else "×".join(axes)) if axes else MISSING


def last_map(analysis: Analysis) -> Layer | None:
    """The last layer whose outputs see a part of the input that is known along every axis."""
    known = [layer for layer in analysis.layers if layer.receptive_field and _bounded(layer)]
    return known[-1] if known else None


def _bounded(layer: Layer) -> bool:
    return all(isinstance(axis, tuple) for axis in layer.receptive_field)


def seen(analysis: Analysis) -> str:
    """What an output sees, and what it saw before all was seen."""
    if not analysis.receptive_field:
        return "the input has no spatial axes"
    end, last = extent(analysis), last_map(analysis)
    told = {"all": "the whole input", MISSING: "unknown"}.get(end, f"{end} px")
    if last is None or extent(last) == end:
        return told
    return f"{told}; {extent(last)} px at {last.name or last.type} before"


def unknown(analysis: Analysis) -> str:
    """Which ops have no rule; empty if all have one."""
    if not analysis.unknown_ops:
        return ""
    return (
        f"No rule for {listing(analysis.unknown_ops)}, {percent(analysis.unknown_share)} of the ops: what they cost is "
        "not counted, so that figures with ≥ are lower bounds."
    )


def unproductive(analysis: Analysis) -> str:
    """Which layers already have the whole image before them, and what removing them would save."""
    found = analysis.unproductive
    image = "×".join(map(str, analysis.input_size[1:]))
    if not found:
        sees = [layer for layer in analysis.layers if layer.productive is not None]
        return f"No unproductive layer at {image}." if sees else ""
    params, macs = (
        sum(getattr(layer, name) for layer in analysis.layers if layer.productive is False)
        for name in ("params", "macs")
    )
    place = f"{found[0].name or found[0].type}{' on' if len(found) > 1 else ''}"
    return (
        f"{plural(len(found), 'unproductive layer')} with MACs, from {place}: what enters already sees the whole "
        f"{image} image (Richter et al. 2021). Without them and their norms: "
        f"{_saved(params, analysis.params, 'parameters')} and {_saved(macs, analysis.macs, 'MACs')} less."
    )


def _saved(part: int, whole: int, noun: str) -> str:
    return f"{count(part)} {noun} ({percent(part / whole if whole else None)})"


def _params(analysis: Analysis) -> str:
    frozen = analysis.params - analysis.trainable_params
    kept = f", {count(frozen)} of them frozen" if frozen else ""
    return f"{count(analysis.params)}{kept}, {size(analysis.param_bytes)}"

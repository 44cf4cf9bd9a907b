"""Effective receptive field: how much each input position counts for the central output (Luo et al. 2016).

The receptive field says which inputs an output sees at all; most of those at its rim count for next to nothing. What
counts is measured by gradient and is near a Gaussian, whose σ grows with the square root of depth
(arXiv:1701.04128, section 2). With random weights |gradient| goes with the root of their Gaussian, so that its σ
is √2 times as large.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from convblocks.analysis.fields.receptive_field import (
    AxisField,
    map_axes,
    receptive_fields,
    spatial_axes,
    spatial_size,
    states,
)
from convblocks.analysis.trace import Failed, Trace, attempt
from convblocks.errors import OptionError, TraceError
from convblocks.layout import parse_axes
from convblocks.records import AxisFit, EffectiveField
from convblocks.signal.observe import backward_of, inputs_for, run, seeded, settled

MAP = 32  # positions per axis that the record keeps
Profile = NDArray[np.float64]


def effective_field(
    module: nn.Module, x: torch.Tensor, *, layer: str | None = None, axes: str | None = None, seed: int = 0
) -> EffectiveField:
    """Measures |∂(output at the centre)/∂input|, mean over examples and input channels, and its Gaussian on each axis.

    Channels of the central output are added with random weights, standard normal, other ones for each example. In eval
    mode; batch norms that were given no batch yet take their statistics from x.

    Args:
        module: any module; it is not changed.
        x: examples (N, C, *spatial), or as `axes` names it after N; the more, the smoother.
        layer: path of a submodule with a map (N, K, *n), or (N, *n, K) where it puts that out; the last by default.
        axes: names of the axes of x after N where channels are not first, e.g. ``time,channels``.
        seed: of the weights.

    Raises:
        OptionError: for a layer that is not there or has no map.
        TraceError: for a module that cannot be run.
    """
    x = inputs_for(module, x)
    traced = _traced(module, x, axes)
    spatial = _spatial(traced, x, axes)
    with seeded(seed, x, module):
        copy = settled(module, x)
        given = x.requires_grad_()
        name, output = _output(copy, given, layer, _maps(traced), len(spatial))
        size = output.shape[2:]
        centre = tuple(n // 2 for n in size)
        middle = output.flatten(2)[..., int(np.ravel_multi_index(centre, size))]
        if not middle.requires_grad:
            raise OptionError("layer", name, "its output does not depend on the input by any gradient")
        total = (middle * torch.randn_like(middle)).sum()
        with backward_of(module):
            (gradient,) = torch.autograd.grad(total, given, materialize_grads=True)
    averaged = [axis for axis in range(x.ndim) if axis not in spatial]
    counts = gradient.double().abs().mean(averaged).cpu().numpy()
    if not np.isfinite(counts).all() or counts.sum() == 0:
        raise TraceError(
            f"the gradient of {name} at the centre is {'0' if counts.sum() == 0 else 'not finite'}"
        )
    sizes = _theoretical(traced, name, len(spatial))
    return EffectiveField(
        layer=name,
        input_size=tuple([x.shape[axis] for axis in spatial]),
        output_size=tuple(size),
        measure="|gradient|, mean over examples and input channels",
        examples=len(x),
        axes=tuple(_fit(_profile(counts, axis), sizes[axis]) for axis in range(len(spatial))),
        map=_small(counts),
    )


def _traced(module: nn.Module, x: torch.Tensor, axes: str | None) -> Trace | None:
    traced = attempt(module, tuple(x.shape[1:]), axes=axes)
    return None if isinstance(traced, Failed) else traced


def _spatial(traced: Trace | None, x: torch.Tensor, axes: str | None) -> tuple[int, ...]:
    """Returns the spatial axes of x. Raises OptionError where its batch axis is not the first."""
    if axes is not None:
        layout = parse_axes(axes, x.shape[1:])
        if layout.batch:
            raise OptionError("axes", axes, "expected the batch first, as the examples of x are")
        return layout.spatial
    return spatial_axes(traced) if traced else tuple(range(2, x.ndim))


def _maps(traced: Trace | None) -> dict[str, list[int]]:
    """Returns, by path of a module, the axes of its last output that run along the input's spatial ones.

    Modules in whose output an input axis has no axis of its own are left out.
    """
    maps: dict[str, list[int]] = {}
    fields = states(traced) if traced else {}
    for op in traced.ops if traced else ():
        for value in op.outputs:
            if places := map_axes(fields.get(value.number, ()), value.shape):
                parts = op.path.split(".")
                maps |= {".".join(parts[: i + 1]): places for i in range(len(parts))}
    return maps


def _output(
    module: nn.Module, x: torch.Tensor, layer: str | None, maps: dict[str, list[int]], dims: int
) -> tuple[str, torch.Tensor]:
    """Returns path and output (N, K, *n) of a layer; of the last leaf with several positions if none is named."""
    named = {name: m for name, m in module.named_modules() if name}
    if layer is not None and layer not in named:
        raise OptionError("layer", layer, f"expected a module path such as {', '.join(list(named)[-3:])}")
    watched = (
        {layer: named[layer]}
        if layer is not None
        else {name: m for name, m in named.items() if not list(m.children())}
    )
    outputs: list[tuple[str, torch.Tensor]] = []

    def keep(name: str, output: object) -> torch.Tensor | None:
        if not isinstance(output, torch.Tensor) or output.ndim != dims + 2:
            return None
        places = maps.get(name, list(range(2, dims + 2)))
        turned = output.movedim(places, list(range(2, dims + 2)))
        if layer is None and turned[0, 0].numel() == 1:
            return None
        outputs.append((name, turned))
        return output.clone()  # the next one may work in place

    handles = [
        m.register_forward_hook(lambda _m, _given, output, name=name: keep(name, output))
        for name, m in watched.items()
    ]
    try:
        run(module, x)
    finally:
        for handle in handles:
            handle.remove()
    if not outputs:
        problem = (
            f"layer {layer!r} was not called, or gives no map"
            if layer is not None
            else "no layer gives a map of more than one position"
        )
        raise OptionError("layer", layer, f"{problem} (N, K, {dims} spatial axes)")
    return outputs[-1]


def _theoretical(traced: Trace | None, layer: str, dims: int) -> list[float | None]:
    """Returns the size of the layer's receptive field per axis, from the trace; that of the image where it sees all."""
    if traced is None:
        return [None] * dims
    fields = receptive_fields(traced)
    values = [
        value
        for op in traced.ops
        if op.path == layer or op.path.startswith(f"{layer}.")
        for value in op.outputs
        if value.number in fields
    ]
    field = fields[values[-1].number] if values else (None,) * dims
    return [_size(axis, n) for axis, n in zip(field, spatial_size(traced), strict=True)]


def _size(axis: AxisField, n: int) -> float | None:
    if axis is None or axis == "all":
        return None if axis is None else float(n)
    return float(axis[2] - axis[1] + 1)


def _profile(counts: NDArray[np.float64], axis: int) -> Profile:
    """Sums over all other axes, and returns parts of one."""
    profile = counts.sum(tuple(summed for summed in range(counts.ndim) if summed != axis))
    return np.asarray(profile / profile.sum())


def _fit(profile: Profile, theoretical: float | None) -> AxisFit:
    places = np.arange(len(profile), dtype=np.float64)
    centre = float(profile @ places)
    sigma = float(np.sqrt(profile @ (places - centre) ** 2))
    fitted = _least_squares(places, profile, centre, sigma)
    return AxisFit(
        centre=centre,
        sigma_moments=sigma,
        sigma_fit=fitted[0] if fitted else None,
        r_squared=fitted[1] if fitted else None,
        size=4 * sigma,
        theoretical=theoretical,
        ratio=4 * sigma / theoretical if theoretical else None,
    )


def _gaussian(places: Profile, height: float, centre: float, sigma: float) -> Profile:
    return np.asarray(height * np.exp(-((places - centre) ** 2) / (2 * sigma**2)))


def _least_squares(
    places: Profile, profile: Profile, centre: float, sigma: float
) -> tuple[float, float] | None:
    """Fits a Gaussian by least squares, and returns its σ and R²; None where there is none to fit."""
    from scipy.optimize import OptimizeWarning, curve_fit  # here, for workers that train need none of it

    if np.count_nonzero(profile) < 4 or sigma == 0:
        return None
    try:
        fitted, _ = curve_fit(_gaussian, places, profile, p0=(profile.max(), centre, sigma), maxfev=2000)
    except (RuntimeError, OptimizeWarning):
        return None
    left = profile - _gaussian(places, *fitted)
    return abs(float(fitted[2])), 1 - float(left @ left / np.sum((profile - profile.mean()) ** 2))


def _small(counts: NDArray[np.float64]) -> tuple[tuple[float, ...], ...]:
    """Shrinks to at most MAP × MAP, by means, and scales the largest to 1; volumes are summed over their first axis."""
    plane = torch.from_numpy(counts.sum(0) if counts.ndim == 3 else counts)
    if plane.ndim == 1:
        plane = plane[None]
    size = [min(n, MAP) for n in plane.shape]
    small = F.adaptive_avg_pool2d(plane[None], (size[0], size[1]))[0]
    rows: list[list[float]] = (small / small.max()).tolist()
    return tuple(tuple(round(value, 4) for value in row) for row in rows)

"""Fixes by name, each applied to a copy of the module, and the check that it works on this one.

he         He-normal weights
lsuv       orthogonal weights, each layer scaled until this batch leaves it with unit variance
norm       a norm after every convolution that has none
shortcut   an addition around every pair of layers that keeps the shape
"""

from collections.abc import Callable
from itertools import pairwise
from math import inf, log

import torch
from torch import nn

from convblocks.analysis.trace.duplicate import copy_of
from convblocks.errors import OptionError, TraceError
from convblocks.records import FixCheck, Rate, Signal
from convblocks.signal.diagnose import Loss, signal
from convblocks.signal.observe import (
    Call,
    hooked,
    inputs_for,
    main_path_calls,
    positions,
    run,
    seeded,
    weights_of,
)
from convblocks.signal.shortcuts import add_shortcuts_

Fix = Callable[[nn.Module, torch.Tensor, list[Call]], str]
"""Changes a module in place, for a batch and the calls of its body; returns what it did. Raises TraceError."""


def with_fix(module: nn.Module, fix: str, x: torch.Tensor, *, seed: int = 0) -> tuple[nn.Module, str]:
    """Returns a copy of the module with a fix, in training mode, and what was done to it.

    Args:
        module: any module with convolutions or linear layers; it is not changed.
        fix: he, lsuv, norm or shortcut. he and lsuv start the weights anew: what was learnt is gone.
        x: a batch (N, C, *spatial).
        seed: of everything random.

    Raises:
        OptionError: for a fix that does not exist.
        TraceError: for one that this module does not allow.
    """
    if fix not in FIXES:
        raise OptionError("fix", fix, f"expected one of {', '.join(FIXES)}")
    x = inputs_for(module, x)
    with seeded(seed, x, module), torch.no_grad():
        copy = copy_of(module).train()
        change = FIXES[fix](copy, x, _body(copy, x))
    return copy, change


def check_fixes(
    module: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor | None = None,
    *,
    before: Signal | None = None,
    loss: Loss | None = None,
    seed: int = 0,
) -> tuple[FixCheck, ...]:
    """Tries each fix of each symptom on a copy of the module, and measures again with the same batch.

    Args:
        module: any module; it is not changed.
        x: a batch (N, C, *spatial).
        y: classes (N,), or whatever `loss` takes; see `signal`.
        before: what `signal` returned for this batch, measured here if not given.
        loss: see `signal`.
        seed: of everything random.
    """
    before = before or signal(module, x, y, loss=loss, seed=seed)
    after: dict[str, tuple[Signal | None, str]] = {}
    for fix in dict.fromkeys(fix for symptom in before.symptoms for fix in symptom.fixes):
        try:
            copy, change = with_fix(module, fix, x, seed=seed)
            after[fix] = signal(copy, x, y, loss=loss, seed=seed), change
        except TraceError as error:
            after[fix] = None, str(error)
    return tuple(
        _compared(symptom.kind, fix, before, *after[fix])
        for symptom in before.symptoms
        for fix in symptom.fixes
    )


def _compared(kind: str, fix: str, before: Signal, after: Signal | None, change: str) -> FixCheck:
    """Compares the figure of a symptom with and without a fix; `change` says why where it could not be applied."""
    figure, measure, ideal = _figure(kind)
    start = measure(before)
    if after is None:
        return FixCheck(
            symptom=kind,
            fix=fix,
            change="",
            figure=figure,
            before=start,
            after=None,
            verdict="not applicable",
            problem=change,
        )
    end, kinds = measure(after), [symptom.kind for symptom in after.symptoms]
    had = {symptom.kind for symptom in before.symptoms}
    same_figure = [k for k in kinds if _figure(k)[0] == figure]
    far, near = _distance(start, ideal), _distance(end, ideal)
    return FixCheck(
        symptom=kind,
        fix=fix,
        change=change,
        figure=figure,
        before=start,
        after=end,
        verdict="cured" if not same_figure else "better" if near <= far / 2 and near < inf else "no better",
        new_symptoms=tuple(k for k in kinds if k not in had),
    )


def _figure(kind: str) -> tuple[str, Callable[[Signal], float | None], float]:
    """Returns the figure that shows a symptom: its name, its value as a function of the signal, and its ideal."""
    if kind.endswith("activation"):
        return "activation end to end", lambda signal: _over_all(signal.activation), 1.0
    if kind == "shattered gradient":
        return (
            "correlation at neighbours",
            lambda signal: signal.shattering and signal.shattering.neighbour,
            1.0,
        )
    if kind.endswith("gradient"):
        return "gradient end to end", lambda signal: _over_all(signal.gradient), 1.0
    if kind == "dead":
        return "layers at 0", lambda signal: _layers(signal, 0.0), 0.0
    return "layers not finite", lambda signal: _layers(signal, None), 0.0


def _over_all(rate: Rate | None) -> float | None:
    return rate.over_all if rate else None


def _layers(signal: Signal, value: float | None) -> float:
    return float(sum(value in (layer.rms, layer.gradient_norm) for layer in signal.layers))


def _distance(figure: float | None, ideal: float) -> float:
    """Returns the distance from the ideal: in factors where that is 1 and the figure positive, else as it is."""
    if figure is None:
        return inf
    return abs(log(figure)) if ideal == 1 and figure > 0 else abs(figure - ideal)


def _body(module: nn.Module, x: torch.Tensor) -> list[Call]:
    """Returns the calls before the head: up to the last on a map; of a module without maps, all but the last."""
    calls, _ = main_path_calls(module, x)
    wide = [i for i, call in enumerate(calls) if positions(call.layer, call.output) > 1]
    return calls[: wide[-1] + 1] if wide else calls[:-1]


def _start_anew(layer: nn.Module, name: str, start: Callable[[torch.Tensor], object]) -> None:
    if hasattr(layer, "parametrizations") or len(weights_of(layer)) != 1:
        raise TraceError(f"{name} has a parametrised weight, which cannot be started anew")
    start(weights_of(layer)[0])
    if isinstance(layer.bias, torch.Tensor):
        nn.init.zeros_(layer.bias)


def he_(module: nn.Module, x: torch.Tensor, body: list[Call]) -> str:  # noqa: ARG001
    """Draws weights from N(0, 2 / fan_in), biases 0 (He et al. 2015, arXiv:1502.01852, equation 10)."""
    for call in body:
        _start_anew(call.layer, call.name, lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"))
    return f"He-normal weights in {len(body)} layers"


def lsuv_(module: nn.Module, x: torch.Tensor, body: list[Call]) -> str:
    """Applies layer-sequential unit variance (Mishkin & Matas 2016, arXiv:1511.06422), in a single pass.

    Without biases a layer is linear in its weight, so that one division gives its output unit variance.
    """
    names = {call.name for call in body}
    for call in body:
        _start_anew(call.layer, call.name, nn.init.orthogonal_)

    def scale(name: str, layer: nn.Module, _given: torch.Tensor, output: torch.Tensor) -> torch.Tensor | None:
        if name not in names:
            return None
        names.discard(name)  # a layer that is called again keeps its scale
        std = output.std()
        if not 0 < float(std) < inf:
            raise TraceError(
                f"the output of {name} has standard deviation {float(std):g}, and cannot be scaled"
            )
        weights_of(layer)[0].div_(std)
        return output / std

    with hooked(module, scale):
        run(module, x)
    return f"orthogonal weights in {len(body)} layers, scaled to unit variance on this batch"


def norm_(module: nn.Module, x: torch.Tensor, body: list[Call]) -> str:
    """Puts a batch norm after each convolution (each linear layer, if there are none) that no norm follows."""
    convolutions = [call for call in body if not isinstance(call.layer, nn.Linear)]
    followed = _followed_by_norm(module, x)
    bare = {call.name: call for call in convolutions or body if call.name not in followed}
    if not bare:
        raise TraceError("every layer has a norm after it already")
    for name, call in bare.items():
        replace_(module, name, nn.Sequential(call.layer, _norm_for(call)))
    return f"batch norm after {len(bare)} of {len(body)} layers"


def _norm_for(call: Call) -> nn.Module:
    if isinstance(call.layer, nn.Linear):
        channels = call.output.shape[-1]
        norm: nn.Module = nn.BatchNorm1d(channels) if call.output.ndim == 2 else nn.LayerNorm(channels)
    else:
        norm = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[call.output.ndim - 3](call.output.shape[1])
    return norm.to(call.output.device, call.output.dtype)


def _followed_by_norm(module: nn.Module, x: torch.Tensor) -> set[str]:
    """Returns the weight layers after which the next module to run is a norm; norms called as functions are missed."""
    order: list[tuple[str, nn.Module]] = []
    leaves = [(name, m) for name, m in module.named_modules() if not list(m.children())]
    handles = [
        m.register_forward_hook(lambda m, _given, _output, name=name: order.append((name, m)))
        for name, m in leaves
    ]
    try:
        run(module, x)
    finally:
        for handle in handles:
            handle.remove()
    return {name for (name, _), (_, after) in pairwise(order) if "Norm" in type(after).__name__}


def replace_(module: nn.Module, name: str, new: nn.Module) -> None:
    """Puts `new` where the submodule `name` was."""
    parent, _, child = name.rpartition(".")
    setattr(module.get_submodule(parent), child, new)


def shortcut_(module: nn.Module, x: torch.Tensor, body: list[Call]) -> str:
    """Puts x + f(x) / √B around each of B pairs of layers, or single ones, that keep the shape; see shortcuts.py."""
    return add_shortcuts_(module, x, {call.name for call in body})


FIXES: dict[str, Fix] = {"he": he_, "lsuv": lsuv_, "norm": norm_, "shortcut": shortcut_}

__all__ = ["FIXES", "check_fixes", "with_fix"]

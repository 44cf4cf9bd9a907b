"""From figures to symptoms: what keeps a network from learning, the evidence, and the fixes by name."""

from collections.abc import Collection, Sequence

from convblocks.records import LayerSignal, Rate, Shattering, Symptom
from convblocks.signal.rates import EXPLODED, VANISHED, changed

SHATTERED = 0.1  # correlation at neighbouring inputs, below which they are as good as white noise
FIXES_FOR = {
    "vanishing gradient": ("shortcut", "norm", "he", "lsuv"),
    "exploding gradient": ("shortcut", "he", "lsuv"),
    "vanishing activation": ("norm", "lsuv", "he"),
    "exploding activation": ("norm", "lsuv", "he"),
    "dead": ("norm", "lsuv", "shortcut"),
    "not finite": ("norm", "lsuv", "he"),
    "shattered gradient": ("shortcut",),
}
WHERE = {
    "gradient": "the gradient, on its way back, goes",
    "activation": "what tells examples apart, on its way forward, goes",
}


def symptoms_of(
    layers: Sequence[LayerSignal],
    activation: Rate | None,
    gradient: Rate | None,
    shattering: Shattering | None,
    dead: Collection[str],
) -> tuple[Symptom, ...]:
    """Returns what is wrong, the gravest first. dead: names of the layers that do not learn."""
    symptoms = [
        _not_finite(layers),
        _dead([layer.name for layer in layers if layer.name in dead]),
        _rate("gradient", gradient),
        _rate("activation", activation),
        _shattered(shattering),
    ]
    return tuple(symptom for symptom in symptoms if symptom)


def symptom(kind: str, evidence: str) -> Symptom:
    """Returns a symptom with its fixes."""
    return Symptom(kind=kind, evidence=evidence, fixes=FIXES_FOR[kind])


def _not_finite(layers: Sequence[LayerSignal]) -> Symptom | None:
    names = [layer.name for layer in layers if layer.rms is None or layer.gradient_norm is None]
    if not names:
        return None
    return symptom("not finite", f"values or gradients overflow at {_some(names)}")


def _dead(names: Sequence[str]) -> Symptom | None:
    if not names:
        return None
    return symptom("dead", f"the output or its gradient is exactly 0 at {_some(names)}")


def _rate(what: str, rate: Rate | None) -> Symptom | None:
    how = changed(rate)
    if not how or rate is None or rate.layers_to_bound is None:
        return None
    bound = VANISHED if how == "vanishing" else EXPLODED
    return symptom(
        f"{how} {what}",
        f"{WHERE[what]} × {rate.factor:.3g} [{rate.low:.3g}, {rate.high:.3g}] a layer, × {rate.over_all:.2g} over "
        f"{rate.steps} layers, beyond {bound:g} after {rate.layers_to_bound:.0f}",
    )


def _shattered(shattering: Shattering | None) -> Symptom | None:
    if shattering is None or shattering.neighbour >= SHATTERED:
        return None
    return symptom(
        "shattered gradient",
        f"gradients at inputs {shattering.distances[0]:.1%} of the way between two examples apart correlate by "
        f"{shattering.neighbour:.2f} only; white noise by 0 ± {shattering.white_noise:.2g}",
    )


def _some(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more layers" if len(names) > most else shown

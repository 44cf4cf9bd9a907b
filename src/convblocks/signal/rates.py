"""The rate at which a norm changes with depth: a log-linear fit, and where it would cross a bound."""

from collections.abc import Sequence
from math import exp, inf, isfinite, log, sqrt

import numpy as np
from scipy.special import stdtrit  # Student's t, without the weight of scipy.stats

from convblocks.records import Rate

VANISHED = 1e-4  # of where it came from
EXPLODED = 1e4
LEVEL = 0.95
MOST_LAYERS = 100_000  # beyond which a crossing is of no interest


def fit_rate(norms: Sequence[float | None]) -> Rate | None:
    """Fits the factor per layer, by ordinary least squares of ln(norm) against the layer's place.

    Args:
        norms: of each layer, in the order in which the signal passes them.

    Returns:
        The rate; None where fewer than three norms are positive and finite.
    """
    fitted = [(place, log(norm)) for place, norm in enumerate(norms) if norm and 0 < norm < inf]
    if len(fitted) < 3:
        return None
    places, logs = np.array(fitted).T
    away = places - places.mean()
    slope = float(away @ logs / (away @ away))
    left = logs - logs.mean() - slope * away
    degrees, steps = len(fitted) - 2, len(norms) - 1
    error = sqrt(float(left @ left) / degrees / float(away @ away))
    reach = float(stdtrit(degrees, (1 + LEVEL) / 2)) * error
    return Rate(
        factor=_exp(slope),
        low=_exp(slope - reach),
        high=_exp(slope + reach),
        standard_error=error,
        steps=steps,
        over_all=_exp(slope * steps),
        layers_to_bound=_crossing(slope, reach),
    )


def _crossing(slope: float, reach: float) -> float | None:
    """Returns the layers until exp(slope · layers) leaves (VANISHED, EXPLODED)."""
    if abs(slope) <= reach or slope == 0:
        return None
    layers = log(VANISHED if slope < 0 else EXPLODED) / slope
    return layers if layers <= MOST_LAYERS else None


def changed(rate: Rate | None) -> str:
    """Returns ``vanishing`` or ``exploding`` if the fit crosses its bound within the layers there are, else nothing."""
    if rate is None or rate.layers_to_bound is None or rate.layers_to_bound > rate.steps:
        return ""
    return "vanishing" if rate.factor < 1 else "exploding"


def _exp(power: float) -> float:
    return exp(max(-700.0, min(700.0, power)))  # what a float holds


def finite(number: float) -> float | None:
    """Returns a number as JSON can hold it: None for NaN and infinity."""
    return number if isfinite(number) else None

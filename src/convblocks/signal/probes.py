"""Linear probes: how far a linear classifier gets on each layer of a trained network.

Where accuracy no longer rises from layer to layer, those layers do nothing that the classifier behind them
could not (Alain & Bengio 2016, arXiv:1610.01644). Richter et al. 2021 (arXiv:2106.12307) predict which: those whose
input already sees the whole image. `probe` checks that prediction on a network at hand.
"""

import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from math import sqrt
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from convblocks.analysis.fields.receptive_field import AxisField, receptive_fields, spatial_size
from convblocks.analysis.trace import trace
from convblocks.analysis.trace.duplicate import copy_of
from convblocks.analysis.trace.restore import restored
from convblocks.errors import OptionError, TraceError
from convblocks.records import Interval, LayerProbe, Probes
from convblocks.signal.observe import Call, inputs_for, main_path_calls
from convblocks.text import plural

Pair = tuple[torch.Tensor, torch.Tensor]
Right = NDArray[np.float64]
NORMAL = 1.96  # quantile of a 95 % interval
MOST_POSITIONS = 4  # per axis
BATCH = 128


def probe(module: nn.Module, train: Pair, test: Pair, *, pool: int = 1, strength: float = 1.0) -> Probes:
    """Trains a logistic regression on every main-path layer's output, and tells whether its accuracy still rises.

    A layer's output is what the next one is given, with norm, activation and shortcut, where that has as many channels.
    Intervals count the test examples, not the probes' own training.

    Args:
        module: a trained classifier; it is not changed.
        train: x (N, C, *spatial) and classes (N,).
        test: the same of other examples.
        pool: positions per axis, 1 to 4, that an output is averaged to.
        strength: scikit-learn's C, the inverse of the L2 penalty on standardised features.

    Raises:
        OptionError: for examples that cannot be used, or another pool.
        TraceError: for a module that cannot be run, or whose outputs are not finite.
    """
    _check(train, test, pool)
    before, scores = _features(module, train[0], pool)
    after, scores = _features(module, test[0], pool)
    y, truth = (part[1].cpu().numpy() for part in (train, test))
    right = {name: _right(before[name], y, after[name], truth, strength) for name in before}
    model = (scores.argmax(1).numpy() == truth).astype(float)
    productive = productive_layers(module, tuple(train[0].shape[1:]))
    layers = tuple(
        _layer(name, right[name], right[previous] if previous else None, productive.get(name))
        for name, previous in zip(right, [None, *right], strict=False)
    )
    last = _last_productive(layers)
    tail = paired(right[layers[-1].name], right[last]) if last else None
    return Probes(
        layers=layers,
        model_accuracy=wilson(model),
        train=len(y),
        test=len(truth),
        pool=pool,
        last_productive=last,
        tail_rise=tail,
        verdict=_verdict(layers, last, tail),
    )


def productive_layers(module: nn.Module, input_size: tuple[int, ...]) -> dict[str, bool]:
    """Returns by path whether a layer is productive; layers of which it is unknown are left out.

    A layer is productive if its input does not yet see the whole image along some axis (Richter et al. 2021,
    section 3): behind the border layer none can add new context. Empty where the module cannot be traced.
    """
    try:
        traced = trace(module, input_size)
    except TraceError:
        return {}
    fields = receptive_fields(traced)
    productive: dict[str, bool] = {}
    for op in traced.ops:
        if op.inputs and op.inputs[0].number in fields and op.path not in productive:
            sees = [
                _whole(axis, n)
                for axis, n in zip(fields[op.inputs[0].number], spatial_size(traced), strict=True)
            ]
            if None not in sees:
                productive[op.path] = not all(sees)
    return productive


def _whole(axis: AxisField, size: int) -> bool | None:
    if axis is None or axis == "all":
        return None if axis is None else True
    return axis[2] - axis[1] + 1 >= size


def _check(train: Pair, test: Pair, pool: int) -> None:
    if not 1 <= pool <= MOST_POSITIONS:
        raise OptionError("pool", pool, f"expected 1 to {MOST_POSITIONS} positions per axis")
    for name, (x, y) in {"train": train, "test": test}.items():
        if len(x) != len(y) or y.ndim != 1:
            shapes = tuple(x.shape), tuple(y.shape)
            raise OptionError(
                name, shapes, "expected x (N, C, *spatial) and classes (N,) of as many examples"
            )
        if len(y) < 2:
            raise OptionError(name, len(y), "expected at least two examples")
    if len(train[1].unique()) < 2:
        raise OptionError("train", train[1].unique().tolist(), "expected examples of at least two classes")


def _features(
    module: nn.Module, x: torch.Tensor, pool: int
) -> tuple[dict[str, NDArray[np.float32]], torch.Tensor]:
    """Returns the pooled outputs of the body's layers, and the module's scores, in eval mode."""
    copy = copy_of(module).eval()
    outputs: dict[str, list[torch.Tensor]] = {}
    scores = []
    with torch.inference_mode(), restored(module.modules()):
        for chunk in inputs_for(copy, x).split(BATCH):
            calls, output = main_path_calls(copy, chunk)
            if output.ndim != 2:
                raise TraceError(
                    f"{type(module).__name__} gives {tuple(output.shape)}; expected scores (N, classes)"
                )
            for name, tensor in _outputs(calls).items():
                outputs.setdefault(name, []).append(_pooled(tensor, pool))
            scores.append(output.float().cpu())
    return {name: torch.cat(parts).numpy() for name, parts in outputs.items()}, torch.cat(scores)


def _outputs(calls: Sequence[Call]) -> dict[str, torch.Tensor]:
    """Returns what each layer makes of its input; the last, whose output is the scores, is left out."""
    outputs: dict[str, torch.Tensor] = {}
    for call, following in pairwise(calls):
        same = _channels(following.given) == _channels(call.output)
        outputs.setdefault(call.name, following.given if same else call.output)
    return outputs


def _channels(tensor: torch.Tensor) -> int:
    return tensor.shape[1]


def _pooled(tensor: torch.Tensor, pool: int) -> torch.Tensor:
    """Pools (N, C, *n) → (N, C · pool^axes), means of equal shares; an axis shorter than `pool` stays."""
    sizes = [min(pool, n) for n in tensor.shape[2:]]
    pools: tuple[Callable[..., torch.Tensor], ...] = (
        F.adaptive_avg_pool1d,
        F.adaptive_avg_pool2d,
        F.adaptive_avg_pool3d,
    )
    if not sizes:
        return tensor.float().cpu()
    return pools[len(sizes) - 1](tensor.float(), sizes).flatten(1).cpu()


def _right(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    test: NDArray[np.float32],
    truth: NDArray[np.int64],
    strength: float,
) -> Right:
    """Returns 1 for each test example that a probe trained on (x, y) gets right."""
    from sklearn.exceptions import ConvergenceWarning  # here, for workers that train need none of it
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    if not (np.isfinite(x).all() and np.isfinite(test).all()):
        raise TraceError("a layer's output is not finite, so that no probe can be trained on it")
    scaler = StandardScaler().fit(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # after 1,000 steps accuracy stands
        classifier = LogisticRegression(C=strength, max_iter=1000).fit(scaler.transform(x), y)
    return (classifier.predict(scaler.transform(test)) == truth).astype(float)


def wilson(right: Right) -> Interval:
    """Returns a share and its 95 % score interval (Wilson 1927), which holds near 0 and 1 too."""
    n, share = len(right), float(right.mean())
    centre = (share + NORMAL**2 / (2 * n)) / (1 + NORMAL**2 / n)
    reach = NORMAL / (1 + NORMAL**2 / n) * sqrt(share * (1 - share) / n + NORMAL**2 / (4 * n**2))
    return Interval(share, max(0.0, centre - reach), min(1.0, centre + reach))


def paired(right: Right, before: Right) -> Interval:
    """Returns the difference on the same examples and its 95 % interval; 3 / n either way where no example differs."""
    difference = right - before
    mean, n = float(difference.mean()), len(difference)
    reach = NORMAL * float(difference.std(ddof=1)) / sqrt(n) or 3 / n
    return Interval(mean, max(-1.0, mean - reach), min(1.0, mean + reach))


def _layer(name: str, right: Right, before: Right | None, productive: bool | None) -> LayerProbe:
    rise = None if before is None else paired(right, before)
    return LayerProbe(
        name=name,
        accuracy=wilson(right),
        rise=rise,
        productive=productive,
        verdict=_direction(rise) if rise else "",
    )


def _direction(rise: Interval) -> Literal["rises", "no rise", "falls"]:
    assert rise.low is not None
    assert rise.high is not None
    return "rises" if rise.low > 0 else "falls" if rise.high < 0 else "no rise"


def _last_productive(layers: Sequence[LayerProbe]) -> str | None:
    """Returns the layer before the first unproductive one, if every layer from there on is."""
    first = next((i for i, layer in enumerate(layers) if layer.productive is False), None)
    return layers[first - 1].name if first else None


def _verdict(layers: Sequence[LayerProbe], last: str | None, tail: Interval | None) -> str:
    if tail is None or last is None:
        unknown = any(layer.productive is None for layer in layers)
        return (
            "which layers are unproductive is unknown: the module's receptive field is not known everywhere"
            if unknown
            else "no layer is unproductive: none has an input that sees the whole image"
        )
    assert tail.low is not None
    assert tail.high is not None
    count = len(layers) - 1 - [layer.name for layer in layers].index(last)
    change = f"{100 * tail.estimate:+.1f} points [{100 * tail.low:+.1f}, {100 * tail.high:+.1f}]"
    head = f"the {plural(count, 'layer')} after {last} see the whole image from their input on"
    after = {
        "rises": "yet accuracy still rises there, so they are of use",
        "no rise": "and accuracy does not measurably rise there: they are unproductive",
        "falls": "and accuracy falls there: they are unproductive",
    }[_direction(tail)]
    return f"{head}, {after} ({change})"

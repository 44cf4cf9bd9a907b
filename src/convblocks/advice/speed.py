"""CB301 and CB302: convolutions that run slower here than a wider, or a dense, one would. Measured, not folklore."""

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
import torch
from torch import nn

from convblocks.advice.view import View, Violation
from convblocks.analysis.cost import macs
from convblocks.analysis.ops import CONVOLUTIONS, weight_of
from convblocks.analysis.trace import OpCall
from convblocks.measure import latencies
from convblocks.text import times

MOST = 8  # layers measured: those with most MACs
REPEATS = 31
MULTIPLES = (8, 16)
LAYERS: dict[int, type[nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def slow_widths(view: View) -> Iterator[Violation]:
    """Finds channels that a few more would make faster."""
    for op in _heaviest(view):
        groups = op["groups"]
        out, given = weight_of(op).shape[0], op.inputs[0].shape[1]
        if groups > 1:
            continue
        for multiple in MULTIPLES:
            wider = tuple(-(-n // multiple) * multiple for n in (given, out))
            if op.inputs[0].number == view.trace.input.number:
                wider = (given, wider[1])  # the image has the channels it has
            if wider == (given, out):
                continue
            ratio, low, high = _ratio(op, (given, out, 1), (*wider, 1))
            if low > 1:
                yield Violation(
                    place=op.path,
                    message=f"{given} → {out} channels take {ratio:.2f} [{low:.2f}, {high:.2f}] times as long as "
                    f"{wider[0]} → {wider[1]} on a map of {times(op.inputs[0].shape[2:])}, which has "
                    f"{prod(wider) / (given * out):.2f} times the MACs ({_conditions()})",
                    fix=f"multiples of {multiple}: {wider[0]} → {wider[1]}",
                    figures={
                        "ratio": ratio,
                        "low": low,
                        "high": high,
                        "wider_in": wider[0],
                        "wider_out": wider[1],
                    },
                )
                break


def slow_groups(view: View) -> Iterator[Violation]:
    """Finds grouped convolutions that a dense one beats, though it has `groups` times their MACs."""
    for op in _heaviest(view, grouped=True):
        groups = op["groups"]
        out, given = weight_of(op).shape[0], op.inputs[0].shape[1]
        ratio, low, high = _ratio(op, (given, out, groups), (given, out, 1))
        if low > 1:
            yield Violation(
                place=op.path,
                message=f"{groups} groups take {ratio:.2f} [{low:.2f}, {high:.2f}] times as long as the dense "
                f"convolution of the same {given} → {out} channels on a map of {times(op.inputs[0].shape[2:])}, with "
                f"1/{groups} of its MACs ({_conditions()})",
                fix="groups=1, or fewer groups, where time counts more than parameters",
                figures={"ratio": ratio, "low": low, "high": high, "groups": groups},
            )


def _heaviest(view: View, *, grouped: bool = False) -> list[OpCall]:
    """Returns one of each kind of convolution, those with most MACs in all; `grouped`: those with groups."""
    kinds: dict[object, list[OpCall]] = {}
    for op in view.convolutions():
        if len(op.inputs[0].shape) == CONVOLUTIONS[op.name] + 2 and (op["groups"] > 1) == grouped:
            shape = op.inputs[0].shape, weight_of(op).shape, op.args[3:], tuple(op.kwargs.items())
            kinds.setdefault(shape, []).append(op)
    ordered = sorted(kinds.values(), key=lambda ops: -sum(map(macs, ops)))
    return [ops[0] for ops in ordered[:MOST]]


def _ratio(op: OpCall, here: Sequence[int], there: Sequence[int]) -> tuple[float, float, float]:
    """Measures the time of (in, out, groups) `here` by that of `there`: a median of pairs, and its 95 % interval.

    What looks slower is measured anew, and the second time counts: the slowest of many would be so by luck too.
    """
    size = op.inputs[0].shape[2:]
    with torch.random.fork_rng(devices=[]):
        one, other = (_layer(op, *sizes) for sizes in (here, there))
        x, y = torch.randn(1, here[0], *size), torch.randn(1, there[0], *size)
    modules = {"here": Fixed(one, x), "there": Fixed(other, y)}
    for _ in range(2):
        spent = latencies(modules, x, repeats=REPEATS)
        ratio, low, high = paired_ratio(spent["here"], spent["there"])
        if low <= 1:
            break
    return ratio, low, high


def paired_ratio(here: np.ndarray, there: np.ndarray) -> tuple[float, float, float]:
    """Returns the median of the ratios of pairs, and its 95 % interval.

    The interval lies between two order statistics (Conover 1999, section 3.2).
    """
    ratios = np.sort(here / there)
    middle = len(ratios) // 2
    margin = int(0.98 * len(ratios) ** 0.5) + 1  # 1.96 standard deviations of the binomial
    return float(ratios[middle]), float(ratios[middle - margin]), float(ratios[middle + margin])


class Fixed(nn.Module):
    """A layer with an input of its own, whatever it is given."""

    def __init__(self, layer: nn.Module, x: torch.Tensor) -> None:
        super().__init__()
        self.layer, self.x = layer, x

    def forward(self, _given: torch.Tensor) -> torch.Tensor:
        """Runs the layer on its own input."""
        return self.layer(self.x)


def _layer(op: OpCall, given: int, out: int, groups: int) -> nn.Module:
    dims = CONVOLUTIONS[op.name]
    options = {name: op[name] for name in ("stride", "padding", "dilation")}
    bias = op["bias"] is not None
    return LAYERS[dims](given, out, weight_of(op).shape[2:], groups=groups, bias=bias, **options)


def _conditions() -> str:
    return f"one image, one thread, {torch.backends.cpu.get_cpu_capability()}, median of {REPEATS} pairs"

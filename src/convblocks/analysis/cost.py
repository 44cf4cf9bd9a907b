"""Parameters, MACs and activations, read off a trace."""

from dataclasses import dataclass
from math import prod

from torch import nn

from convblocks.analysis.rules import CONVOLUTIONS, KNOWN, LINEAR, MACS, TRANSPOSED
from convblocks.analysis.shapes import Shape
from convblocks.analysis.trace import Op, Trace, trace


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one example, forward. MACs are not time: compare measured latency too."""

    params: int
    macs: int
    activations: (
        int  # elements put out by convolution and linear layers (Radosavovic et al. 2020, arXiv:2003.13678)
    )
    unknown_ops: frozenset[str] = frozenset()  # if any, macs and activations are lower bounds

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.params + other.params,
            self.macs + other.macs,
            self.activations + other.activations,
            self.unknown_ops | other.unknown_ops,
        )

    def __mul__(self, times: int) -> "Cost":
        return Cost(self.params * times, self.macs * times, self.activations * times, self.unknown_ops)


def macs(op: Op) -> int:
    """Multiply-accumulates of an op; 0 for one without a rule, which `count` reports by name."""
    rule = MACS.get(op.name)
    return rule(op) if rule else 0


def count(module: nn.Module, input_size: Shape, seen: Trace | None = None) -> Cost:
    """Cost of a module for one input of `input_size` (channels, *spatial)."""
    seen = seen or trace(module, input_size)
    layers = [op for op in seen.ops if op.name in CONVOLUTIONS or op.name in TRANSPOSED or op.name in LINEAR]
    return Cost(
        params=sum(p.numel() for p in module.parameters()),
        macs=sum(map(macs, seen.ops)),
        activations=sum(prod(op.outputs[0].shape) for op in layers),
        unknown_ops=frozenset(op.name for op in seen.ops if op.name not in KNOWN),
    )

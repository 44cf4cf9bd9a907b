"""CB503 and CB504: defects that keep a network from learning though its forward runs."""

from collections.abc import Iterator

import torch

from convblocks.advice.view import View, Violation, named
from convblocks.analysis.ops import (
    ADAPTIVE,
    ADDITIONS,
    CONVOLUTIONS,
    KEEPING_VALUES,
    LINEAR,
    POINTWISE,
    POOLS,
)
from convblocks.analysis.trace import OpCall, Value
from convblocks.analysis.trace.walk import parameters
from convblocks.text import plural

LOSSES = {
    "softmax": "cross_entropy takes scores and applies log_softmax itself",
    "log_softmax": "nll_loss takes this, cross_entropy takes scores and applies log_softmax itself",
    "sigmoid": "binary_cross_entropy takes this, binary_cross_entropy_with_logits takes scores and applies it itself",
}
SHAPED = frozenset({"flatten", "view", "reshape", "squeeze", "unsqueeze"})
CARRIED = (POINTWISE - ADDITIONS) | POOLS.keys() | ADAPTIVE.keys() | KEEPING_VALUES | {"flatten", "mean"}
"""They treat all channels alike and let each stand where it stands."""


def activation_before_loss(view: View) -> Iterator[Violation]:
    """Finds softmax, log_softmax or sigmoid as the last op, which a loss may apply again."""
    for value in view.trace.outputs:
        op = view.maker(value)
        while op is not None and op.name in SHAPED:
            op = view.maker(op.inputs[0])
        name = op.name.strip("_") if op is not None else ""
        if op is None or name not in LOSSES or value.number not in view.depending:
            continue
        if any(use.name not in SHAPED for use in view.uses(op.outputs[0])):
            continue  # an attention map or a gate that is given out too
        yield Violation(
            place=op.path,
            message=f"{name} is the last op (the loss is not part of the trace): before a loss that applies it again, "
            "the gradients are small and training is slow or stops",
            fix=f"give scores and leave {name} to the loss, or take a loss that expects its result: {LOSSES[name]}",
            figures={"op": name},
        )


def identical_filters(view: View) -> Iterator[Violation]:
    """Finds filters that start as copies and stay so: what reads them alike gives them one gradient.

    Zeros alone are meant where the next layer tells the channels apart, as at the end of a branch.
    """
    weights = parameters(view.module)
    for op in view.weighted():
        weight = _weight(view, op, weights)
        if weight is None or op.name not in CONVOLUTIONS.keys() | LINEAR or op.get("groups", 1) != 1:
            continue
        first = _first_copies(weight, _bias(view, op, weights))
        copies = first != torch.arange(len(first))
        if not copies.any():
            continue
        readers = list(_reading(view, op.outputs[0]))
        after = [_weight(view, reader, weights) for reader in readers if reader is not None]
        alike = bool(after) and None not in readers and all(_alike(w, first) for w in after)
        if not alike and (not readers or not weight.any(1)[copies].any()):
            continue
        end = "they get the same gradient and never differ" if alike else "they start as one and differ late"
        yield Violation(
            place=op.path,
            message=f"{plural(int(copies.sum()), 'filter')} of {len(first)} have the same weights as another: {end}",
            fix=f"draw the weights of {named(op.path)} at random, e.g. nn.init.kaiming_normal_(layer.weight)",
            figures={"copies": int(copies.sum()), "filters": len(first)},
            severity=None if alike else "note",
        )


Weights = dict[str, torch.nn.Parameter]


def _weight(view: View, op: OpCall, weights: Weights) -> torch.Tensor | None:
    """Returns the weight of a layer as rows of filters; None where it is no parameter that learns, or has no values."""
    return _values(view, op["weight"], weights)


def _bias(view: View, op: OpCall, weights: Weights) -> torch.Tensor | None:
    return _values(view, op["bias"], weights)


def _values(view: View, value: object, weights: Weights) -> torch.Tensor | None:
    parameter = view.trace.parameters.get(value.number) if isinstance(value, Value) else None
    if (
        parameter is None
        or not parameter.trainable
        or parameter.name not in weights
        or weights[parameter.name].is_meta
    ):
        return None
    values = weights[parameter.name].detach()
    return values.reshape(len(values), -1)


def _first_copies(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Returns, for each filter, the number of the first one with the same weights and bias."""
    rows = weight if bias is None else torch.cat([weight, bias.to(weight.dtype)], 1)
    numbers = torch.arange(len(rows))
    first_of: dict[bytes, int] = {}
    for i, row in enumerate(rows.cpu().contiguous().view(torch.uint8).numpy()):
        numbers[i] = first_of.setdefault(row.tobytes(), i)
    return numbers


def _reading(view: View, value: Value) -> Iterator[OpCall | None]:
    """Yields the layers that read a map, past what treats its channels alike; None for anything else that reads it."""
    if value.number in view.given_out:
        yield None
    for op in view.uses(value):
        if op.name in CONVOLUTIONS.keys() | LINEAR and op.get("groups", 1) == 1:
            yield op
        elif op.name in CARRIED and len(view.maps(op)) == 1:
            yield from _reading(view, op.outputs[0])
        else:
            yield None


def _alike(weight: torch.Tensor | None, first: torch.Tensor) -> bool:
    """Returns whether the layer reads each copy with the weights with which it reads the first."""
    if weight is None or weight.shape[1] % len(first):
        return False
    columns = weight.reshape(len(weight), len(first), -1)
    return torch.equal(columns, columns[:, first])

"""Ops that draw numbers: called twice with one tensor, their results differ."""

from collections.abc import Set
from math import prod
from typing import Any

import torch
import torch.nn.functional as F

from convblocks.analysis.ops.op import AS_FUNCTION, UNKNOWN, Op, SavedRule, Unknown, add, forms, plain_name
from convblocks.analysis.ops.shared_rules import Kept, same_position
from convblocks.analysis.trace.graph import OpCall, Shape

CHANNEL_DROPOUTS = ("dropout1d", "dropout2d", "dropout3d")
ALPHA_DROPOUTS = frozenset({"alpha_dropout", "feature_alpha_dropout"})
"""They keep the variance too, as a network of SELUs needs it (Klambauer et al. 2017, arXiv:1706.02515)."""
VALUE_DROPOUT, FEATURE_DROPOUT = "dropout", "feature_dropout"
DROPOUTS = ALPHA_DROPOUTS | {VALUE_DROPOUT, FEATURE_DROPOUT, *CHANNEL_DROPOUTS}
_ARGUMENTS = "input, p=0.5, training=True, inplace=False"


def _dropout_shape(x: torch.Tensor, p: float = 0.5, *_args: Any, **_kwargs: Any) -> Shape | None:
    """Formula of what training makes of the input: a new tensor, unless nothing is dropped."""
    return tuple(x.shape) if p else None


def _noise(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps the noise, in the input's type; one number a channel where whole channels go."""
    x = call.inputs[0]
    if not call["p"]:
        return ()
    count = x.elements if call.name == VALUE_DROPOUT else prod(x.shape[:2])
    return (count * x.dtype.itemsize,)


def _random(
    *names: str,
    saved: SavedRule | Unknown,
    arguments: str = _ARGUMENTS,
    in_place: bool = True,
    **facts: Any,
) -> None:
    """Puts an op into the table that depends on the same position of its input."""
    given: dict[str, Any] = {"shape": None, **facts}
    add(Op(
        names=forms(*names) if in_place else names,
        arguments=arguments,
        macs=None,
        field=same_position,
        saved=saved,
        workspace=None,
        label=plain_name,
        pointwise=True,
        random=True,
        **given,
    ))  # fmt: skip


def _without_rules(*names: str, **facts: Any) -> None:
    """Puts ops into the table whose figures are not known, only that they draw."""
    add(Op(
        names=names,
        arguments="input, p=0.5",
        shape=None,
        macs=UNKNOWN,
        field=UNKNOWN,
        saved=UNKNOWN,
        workspace=None,
        label=plain_name,
        random=True,
        **facts,
    ))  # fmt: skip


_random(VALUE_DROPOUT, saved=_noise, shape={F.dropout: _dropout_shape}, idle=True)
_random(*CHANNEL_DROPOUTS, saved=_noise, idle=True)
_random(*sorted(ALPHA_DROPOUTS), saved=UNKNOWN, idle=True)
_random("rrelu", saved=UNKNOWN, arguments="input, lower=0.125, upper=0.3333333333333333, training=False")
_random("bernoulli", saved=UNKNOWN, arguments="input, p=None", in_place=False)
_random("bernoulli_", saved=UNKNOWN, arguments="input, p=0.5", in_place=False, stops_gradient=True)
_without_rules(FEATURE_DROPOUT, idle=True)
_without_rules("binomial", "multinomial", "normal", "poisson", "gumbel_softmax")
AS_FUNCTION[FEATURE_DROPOUT] = lambda x, p, _training: (CHANNEL_DROPOUTS[1], (x, p))

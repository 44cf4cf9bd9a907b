"""CB101–CB103: biases, dropout and norms that stand at the wrong side of each other."""

from collections.abc import Iterator

from convblocks.advice.view import WEIGHTED, View, Violation, named
from convblocks.analysis.ops import (
    ADAPTIVE,
    ADDITIONS,
    ALPHA_DROPOUTS,
    CONVOLUTIONS,
    LINEAR,
    POINTWISE,
    POOLS,
    SUBTRACTIONS,
    windows,
)
from convblocks.analysis.ops import DROPOUTS as ALL_DROPOUTS
from convblocks.analysis.trace import OpCall, Value
from convblocks.text import listed, plural

DROPOUTS = ALL_DROPOUTS - ALPHA_DROPOUTS  # which keep the mean, and not the variance
SUMS = ADDITIONS | SUBTRACTIONS
RESHAPES = frozenset({"flatten", "view", "reshape"})
MAPS = POINTWISE | POOLS.keys() | ADAPTIVE.keys() | RESHAPES
"""What leaves a dropped value a dropped value, more or less."""


def bias_before_norm(view: View) -> Iterator[Violation]:
    """Finds biases, one number a channel, in front of a norm that takes each channel's mean away."""
    for op in view.weighted():
        bias = op["bias"]
        if not isinstance(bias, Value) or bias.number not in view.trace.parameters:
            continue
        norms = _norms_that_take_away(view, op, bias)
        uses = view.only_uses(bias)
        if norms and op in uses and all(_norms_that_take_away(view, use, bias) for use in uses):
            behind = listed(dict.fromkeys(named(norm.path, norm.name) for norm in norms), most=3)
            yield Violation(
                place=op.path,
                message=f"its bias of {plural(bias.elements, 'parameter')} does nothing: {behind} takes each "
                "channel's mean away again",
                fix="bias=False; of trained weights, subtract the bias from the norm's running_mean first",
                figures={"params": bias.elements, "norm": behind},
            )


def _norms_that_take_away(view: View, op: OpCall, bias: Value) -> list[OpCall]:
    """Returns the norms behind a layer that undo its bias; none if it reads `bias` as something else too."""
    if op.name not in WEIGHTED or op["bias"] != bias or op.inputs.count(bias) != 1:
        return []
    norms = _norms_behind(view, op.outputs[0], rows=op.name in LINEAR)
    if op.name in LINEAR and any(len(norm.inputs[0].shape) != 2 for norm in norms):
        return []  # its channels are not where the norm looks for them
    return norms


def _norms_behind(view: View, value: Value, *, rows: bool) -> list[OpCall]:
    """Returns the norms that a value ends in, past pools that keep a constant; none if it ends anywhere else too.

    rows: its channels are the last axis, which stays so when rows are laid under each other.
    """
    norms: list[OpCall] = []
    for op in view.only_uses(value):
        if _removes_channel_means(op):
            norms.append(op)
        elif _keeps_constants(op) or (rows and _lays_rows(op)):
            behind = _norms_behind(view, op.outputs[0], rows=rows)
            if not behind:
                return []
            norms += behind
        else:
            return []
    return norms


def _removes_channel_means(op: OpCall) -> bool:
    if op.name == "group_norm":  # one channel a group; a larger group keeps what tells its channels apart
        return op["num_groups"] == op.inputs[0].shape[1]
    return op.name in ("batch_norm", "instance_norm")


def _keeps_constants(op: OpCall) -> bool:
    if op.name in POOLS:
        padded = any(w.padding for w in windows(op))
        return op.name.startswith("max") or not padded
    return op.name in ADAPTIVE


def dropout_before_norm(view: View) -> Iterator[Violation]:
    """Finds dropout before a batch norm: it keeps the mean and not the variance, which the norm learns and uses."""
    for op in view.trace.ops:
        if op.name not in DROPOUTS or not 0 < (p := op["p"]) < 1:
            continue
        for norm, through in _batch_norms_after(view, op.outputs[0], True):
            factor = 1 / (1 - p)
            way = f", through {named(through.path, through.name)}" if through else ""
            yield Violation(
                place=op.path,
                message=f"dropout of {p:g} in front of {named(norm.path, norm.name)}{way}: in training its values have "
                f"{factor:.3g} times the mean square that they have at inference, and the running variance is that of "
                "training",
                fix="drop behind the last batch norm, as in front of the classifier",
                figures={"p": p, "mean_square_ratio": factor, "norm": norm.path},
                severity="note" if through else None,
            )


def _batch_norms_after(view: View, value: Value, more: bool) -> Iterator[tuple[OpCall, OpCall | None]]:
    """Yields batch norms that a value reaches by itself or, if `more`, through one weight layer; with that layer."""
    for op in view.uses(value):
        if op.name == "batch_norm":
            yield op, None
        elif op.name in WEIGHTED and more:
            yield from ((norm, op) for norm, _ in _batch_norms_after(view, op.outputs[0], False))
        elif len(op.inputs) == 1 and op.name in MAPS:
            yield from _batch_norms_after(view, op.outputs[0], more)


def norm_that_cannot_fold(view: View) -> Iterator[Violation]:
    """Finds batch norms that neither the layer before nor, unpadded, the one behind takes in at inference."""
    for op in view.trace.ops:
        if (
            op.name != "batch_norm"
            or not view.maps(op)
            or _folds_forward(view, op)
            or _folds_sideways(view, op)
        ):
            continue  # or it norms a weight, as in weight standardization
        if reason := _why_not(view, op):
            moved = op.inputs[0].bytes + op.outputs[0].bytes
            yield Violation(
                place=op.path,
                message=f"cannot be folded for inference: {reason}; it stays a pass over {moved / 1e6:.3g} MB an image",
                fix="convolution → norm → activation folds; a norm behind an addition, a concatenation or an "
                "activation does not",
                figures={"bytes": moved},
            )


def _why_not(view: View, norm: OpCall) -> str:
    """Returns why the norm does not fold into what stands before it; empty if it does."""
    if norm["training"]:
        return "it takes its statistics from the input at inference too"
    before = _before(view, norm.inputs[0])
    if before is None:
        return "it reads the input itself"
    if before.name not in WEIGHTED:
        return f"it reads what {before.name} gives, no convolution or linear layer"
    if before.name in LINEAR and len(before.outputs[0].shape) != 2 and before is view.maker(norm.inputs[0]):
        return "its channels are not those of the linear layer before it"
    into = _into(view, before)
    beside = [op for op in into if op is not norm]
    if into != [norm]:
        where = listed(dict.fromkeys(named(op.path, op.name) for op in beside), most=3) or "the output"
        return f"{where} needs the output of {named(before.path, before.name)} without it"
    return ""


def _before(view: View, value: Value) -> OpCall | None:
    """Returns what makes a value, past dropout and rows laid under each other: (N, L, C) → (N·L, C)."""
    maker = view.maker(value)
    while maker is not None and maker.name in DROPOUTS:
        maker = view.maker(maker.inputs[0])
    if maker is not None and _lays_rows(maker):
        linear = view.maker(maker.inputs[0])
        return linear if linear is not None and linear.name in LINEAR else maker
    return maker


def _into(view: View, op: OpCall) -> list[OpCall]:
    """Returns what reads an op's output, past the same."""
    ops: list[OpCall] = []
    for use in _uses_at_inference(view, op.outputs[0]):
        ops += view.only_uses(use.outputs[0]) if op.name in LINEAR and _lays_rows(use) else [use]
    return ops


def _uses_at_inference(view: View, value: Value) -> list[OpCall]:
    ops: list[OpCall] = []
    for op in view.only_uses(value):
        ops += _uses_at_inference(view, op.outputs[0]) if op.name in DROPOUTS else [op]
    return ops


def _lays_rows(op: OpCall) -> bool:
    out = op.outputs[0].shape
    return (
        op.name in RESHAPES
        and len(out) == 2
        and len(op.inputs[0].shape) > 2
        and out[-1] == op.inputs[0].shape[-1]
    )


def _folds_sideways(view: View, norm: OpCall) -> bool:
    """Returns whether a norm folds into a convolution of its input to which it is added (RepVGG, arXiv:2101.03697)."""
    x = norm.inputs[0]
    beside = [op for op in view.uses(x) if op.name in CONVOLUTIONS and op.outputs[0].shape == x.shape]
    sums = _sums(view, norm.outputs[0])
    return any(sums & _sums(view, op.outputs[0]) for op in beside)


def _sums(view: View, value: Value) -> set[OpCall]:
    """Returns the additions and subtractions that a value runs into one after another, past batch norms."""
    sums: set[OpCall] = set()
    while len(uses := view.only_uses(value)) == 1 and uses[0].name in SUMS | {"batch_norm"}:
        if uses[0].name in SUMS:
            sums.add(uses[0])
        value = uses[0].outputs[0]
    return sums


def _folds_forward(view: View, norm: OpCall) -> bool:
    """Returns whether a norm folds into all that reads it, which must not pad: what it makes of a 0 is not 0."""
    if norm["training"]:
        return False
    after = _uses_at_inference(view, norm.outputs[0])
    return bool(after) and all(
        (op.name in LINEAR and len(op.inputs[0].shape) == 2)
        or (
            op.name in CONVOLUTIONS
            and op.inputs[0].shape == norm.outputs[0].shape
            and not any(w.padding for w in windows(op))
        )
        for op in after
    )

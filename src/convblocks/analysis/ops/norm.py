"""Norms, by the positions over which they take their statistics."""

from collections.abc import Set
from math import prod
from typing import Any

import torch
import torch.nn.functional as F

from convblocks.analysis.fields.axes import Axis, State
from convblocks.analysis.fields.windows import read
from convblocks.analysis.ops.op import AS_FUNCTION, UNKNOWN, Op, add, forms, plain_name
from convblocks.analysis.ops.shared_rules import (
    Kept,
    as_list,
    each_input,
    mixed_over,
    same_position,
    whole_map,
)
from convblocks.analysis.trace.fixes import fix_batch_norm, fix_group_norm, fix_layer_norm
from convblocks.analysis.trace.graph import OpCall, Shape, Value

BATCH_NORM, INSTANCE_NORM, GROUP_NORM = "batch_norm", "instance_norm", "group_norm"
MAP_NORMS = frozenset({INSTANCE_NORM, GROUP_NORM})
"""Every output position depends on the whole map."""
NORMS_OF_LAST_AXES = frozenset({"layer_norm", "rms_norm"})
NORMS = MAP_NORMS | NORMS_OF_LAST_AXES | {BATCH_NORM}
_BATCH_ARGUMENTS = "running_mean=None, running_var=None, weight=None, bias=None"


def _batch_norm_shape(
    x: torch.Tensor, mean: Any, variance: Any, weight: Any = None, *_: Any, **__: Any
) -> Shape | None:
    """Formula; none where torch has to refuse the number of channels."""
    fits = all(t is None or t.shape[0] == x.shape[1] for t in (mean, weight))
    return tuple(x.shape) if fits else None


def _layer_norm_shape(x: torch.Tensor, shape: Any, *_: Any, **__: Any) -> Shape | None:
    return tuple(x.shape) if tuple(shape) == x.shape[-len(shape) :] else None


def _group_norm_shape(x: torch.Tensor, groups: int, weight: Any = None, *_: Any, **__: Any) -> Shape | None:
    fits = x.shape[1] % groups == 0 and (weight is None or weight.shape[0] == x.shape[1])
    return tuple(x.shape) if fits else None


def _last_axes_field(call: OpCall, axis: Axis, value: Value, _out: Value) -> State:
    return mixed_over(axis, range(-len(call["normalized_shape"]), 0), value, stays=True)


def _normalize_field(call: OpCall, axis: Axis, value: Value, _out: Value) -> State:
    return mixed_over(axis, as_list(call["dim"], ()), value, stays=True)


def _neighbours_field(call: OpCall, axis: Axis, value: Value, out: Value) -> State:
    """Divides by neighbouring channels."""
    size = call["size"]
    taps = range(-(size // 2), (size + 1) // 2)
    return read(axis, value.shape, out.shape, 1, 1, [taps]) if axis.runs_along(1) else axis


def _stats_bytes(call: OpCall, count: int) -> int:
    """Returns the bytes of mean and inverse deviation of `count` groups, in single precision at least."""
    return 2 * count * max(4, call.inputs[0].dtype.itemsize)


def _batch_norm_saved(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    return call.inputs[0], _stats_bytes(call, call.inputs[0].shape[1])


def _layer_norm_saved(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    x = call.inputs[0]
    return x, _stats_bytes(call, x.elements // max(1, prod(call["normalized_shape"])))


def _rms_norm_saved(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps no mean; the normalised map too where a weight multiplies it."""
    x = call.inputs[0]
    stats = _stats_bytes(call, x.elements // max(1, prod(call["normalized_shape"]))) // 2
    return (x, stats, x.bytes) if len(call.inputs) > 1 else (x, stats)


def _group_norm_saved(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps the input, or the copy that it makes of a part of a larger map, such as a half of its channels."""
    x = call.inputs[0]
    kept = x if x.folds(len(x.shape)) else x.bytes
    return kept, _stats_bytes(call, x.shape[0] * call["num_groups"])


def _instance_norm_saved(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps what a batch norm of N·C channels does, for which weight and running statistics are repeated."""
    count = prod(call.inputs[0].shape[:2])
    repeated = (call["weight"] is not None) + 2 * (call["running_mean"] is not None)
    return call.inputs[0], _stats_bytes(call, count), repeated * count * call.inputs[0].dtype.itemsize


def _normalize_saved(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps x / max(norm, eps), the norm expanded: x, the norm, and its bounded copy."""
    x, axis = call.inputs[0], call["dim"]
    axes = (axis,) if isinstance(axis, int) else axis
    return x, 2 * x.bytes // max(1, prod(x.shape[each] for each in axes))


def _weight_norm_saved(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...]:
    """Keeps direction and length, and the norms of the direction."""
    return (*call.inputs, call.inputs[1].bytes)


def _updates_statistics(_args: Any, _kwargs: Any) -> bool:
    return True


add(Op(
    names=forms(BATCH_NORM),
    arguments=f"input, {_BATCH_ARGUMENTS}, training=False, momentum=0.1, eps=1e-05",
    shape={F.batch_norm: _batch_norm_shape},
    macs=None,
    field=same_position,
    saved=_batch_norm_saved,
    workspace=None,
    label=plain_name,
    fix=fix_batch_norm,
    pointwise=True,
    norm=True,
    over_batch=True,
    writes=_updates_statistics,
))  # fmt: skip
add(Op(
    names=(INSTANCE_NORM,),
    arguments=f"input, {_BATCH_ARGUMENTS}, use_input_stats=True, momentum=0.1, eps=1e-05",
    shape=None,
    macs=None,
    field=whole_map,
    saved=_instance_norm_saved,
    workspace=None,
    label=plain_name,
    fix=fix_batch_norm,
    whole_map=True,
    norm=True,
    writes=_updates_statistics,
))  # fmt: skip
add(Op(
    names=(GROUP_NORM,),
    arguments="input, num_groups, weight=None, bias=None, eps=1e-05",
    shape={F.group_norm: _group_norm_shape},
    macs=None,
    field=whole_map,
    saved=_group_norm_saved,
    workspace=None,
    label=plain_name,
    fix=fix_group_norm,
    whole_map=True,
    norm=True,
))  # fmt: skip
for _name in sorted(NORMS_OF_LAST_AXES):
    _layer = _name.startswith("layer")
    add(Op(
        names=(_name,),
        arguments="input, normalized_shape, weight=None, bias=None, eps=1e-05",
        shape={F.layer_norm: _layer_norm_shape} if _layer else None,
        macs=None,
        field=each_input(_last_axes_field),
        saved=_layer_norm_saved if _layer else _rms_norm_saved,
        workspace=None,
        label=plain_name,
        fix=fix_layer_norm if _layer else None,
        norm=True,
    ))  # fmt: skip
add(Op(
    names=("normalize",),
    arguments="input, p=2.0, dim=1, eps=1e-12",
    shape=None,
    macs=None,
    field=each_input(_normalize_field),
    saved=_normalize_saved,
    workspace=None,
    label=plain_name,
))  # fmt: skip
add(Op(
    names=("local_response_norm",),
    arguments="input, size, alpha=0.0001, beta=0.75, k=1.0",
    shape=None,
    macs=None,
    field=each_input(_neighbours_field),
    saved=UNKNOWN,
    workspace=None,
    label=plain_name,
))  # fmt: skip
add(Op(
    names=("_weight_norm",),
    arguments="v, g, dim=0",
    shape=None,
    macs=UNKNOWN,
    field=UNKNOWN,
    saved=_weight_norm_saved,
    workspace=None,
    label=plain_name,
))  # fmt: skip


def _batch_norm_of(
    x: Any, weight: Any, bias: Any, mean: Any, variance: Any, training: Any, *more: Any
) -> tuple[str, tuple[Any, ...]]:
    return BATCH_NORM, (x, mean, variance, weight, bias, training, *more[:2])


def _instance_norm_of(
    x: Any, weight: Any, bias: Any, mean: Any, variance: Any, *more: Any
) -> tuple[str, tuple[Any, ...]]:
    return INSTANCE_NORM, (x, mean, variance, weight, bias, *more[:3])


AS_FUNCTION[BATCH_NORM] = _batch_norm_of
AS_FUNCTION[INSTANCE_NORM] = _instance_norm_of

"""Scaled dot-product attention, and the function of nn.MultiheadAttention."""

from collections.abc import Sequence, Set
from math import prod
from typing import Any

import torch
import torch.nn.functional as F

from convblocks.analysis.fields.axes import Axis, State
from convblocks.analysis.ops.einsum import contracted
from convblocks.analysis.ops.op import Op, add, plain_name
from convblocks.analysis.ops.product import letters
from convblocks.analysis.ops.shared_rules import Kept, batched, each_input, flat, mixed_over
from convblocks.analysis.trace.graph import OpCall, Shape, Value

MULTI_HEAD = frozenset({"multi_head_attention_forward"})


def _shape(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Any = None, dropout_p: float = 0.0, **_: Any
) -> Shape | None:
    """Formula of flash attention, which takes no dropout and only operands whose last axis lies side by side."""
    if not q.ndim == k.ndim == v.ndim == 4 or mask is not None or dropout_p:
        return None
    fits = q.shape[:2] == k.shape[:2] == v.shape[:2] and q.shape[3] == k.shape[3] == v.shape[3]
    fits = fits and q.stride(3) == k.stride(3) == v.stride(3) == 1
    return tuple(q.shape) if fits and k.shape[2] == v.shape[2] else None


def _macs(call: OpCall) -> int:
    """Counts the scores, then their weighted sum (Vaswani et al. 2017, section 3.2.1)."""
    query, key, value = call.inputs[:3]
    pairs = prod(query.shape[:-1]) * key.shape[-2]
    return pairs * (query.shape[-1] + value.shape[-1])


def _gradient_macs(call: OpCall, maps: Sequence[Value], _weights: Sequence[Value]) -> tuple[int, int]:
    """Counts two products forward, each with two operands that learn, and not what a kernel computes twice."""
    return 0, 2 * _macs(call) if maps else 0


def _saved(call: OpCall, needs: Set[int]) -> tuple[Kept, ...] | None:
    """Keeps flash attention's operands, result and log-sum-exp; where it cannot be used, what the two products keep."""
    dropout = call["dropout_p"]
    if dropout is None:
        return None
    query, key, value = call.inputs[:3]
    mask = call.inputs[3] if len(call.inputs) > 3 else None
    if dropout or not _flash(query, key, value) or (mask is not None and mask.number in needs):
        rows = prod(query.shape[:-1])
        scores = _scores_bytes(rows * key.shape[-2] * query.dtype.itemsize, dropout)
        keys = rows // query.shape[-2] * key.shape[-2] * key.shape[-1] * key.dtype.itemsize
        return batched(value, query), query.bytes + keys, scores  # queries and keys as scaled
    masks = (
        () if mask is None else (mask if mask.dtype == query.dtype else mask.elements * query.dtype.itemsize,)
    )
    log_sums = query.elements // query.shape[-1] * max(4, query.dtype.itemsize)
    return query, key, value, *masks, call.outputs[0], log_sums


def _flash(query: Value, key: Value, value: Value) -> bool:
    """Returns whether the operands fit flash attention on a processor (sdp_utils_cpp.cpp), without dropout."""
    same = query.shape[:2] == key.shape[:2] == value.shape[:2]
    same = same and query.shape[-1] == key.shape[-1] == value.shape[-1]
    return len(query.shape) == 4 and same and all(v.stride[-1] == 1 for v in (query, key, value))


def _scores_bytes(scores: int, dropout: float) -> int:
    """Returns the bytes after softmax; where some are dropped also the noise, and what is left."""
    return scores * 3 if dropout else scores


def _multi_head_macs(call: OpCall) -> int:
    """Counts the three projections in, attention, the projection out; all of width E."""
    query, key, value = call.inputs[:3]
    width = query.shape[-1]
    positions, keys = prod(query.shape[:-1]), prod(key.shape[:-1])
    projected = width * (positions * width + keys * (key.shape[-1] + value.shape[-1]) + positions * width)
    batch = query.shape[1] if len(query.shape) == 3 else 1
    return projected + 2 * positions * (keys // batch) * width


def _multi_head_gradient_macs(
    call: OpCall, maps: Sequence[Value], weights: Sequence[Value]
) -> tuple[int, int]:
    """Counts a weight's and a map's gradient for each projection, and the attention between them as above."""
    query, key = call.inputs[:2]
    attended = 2 * prod(query.shape) * key.shape[0]
    projected = _multi_head_macs(call) - attended
    return projected if weights else 0, (projected if maps else 0) + 2 * attended


def _multi_head_field(_call: OpCall, axis: Axis, value: Value, _out: Value) -> State:
    """Mixes the positions and features of (positions, batch, features)."""
    return mixed_over(axis, (0, 2), value, stays=True)


def _multi_head_saved(call: OpCall, _needs: Set[int]) -> tuple[Kept, ...] | None:
    """Keeps map, queries, keys and values, attention, result; known for self-attention in one projection."""
    query, key, value = call.inputs[:3]
    if not query.number == key.number == value.number:
        return None
    length, batch = query.shape[0], query.shape[1] if len(query.shape) == 3 else 1
    rows = batch * call["num_heads"] * length
    dropout = call["dropout_p"]
    scores = _scores_bytes(rows * length * query.dtype.itemsize, dropout)
    read = flat(query)
    if call["need_weights"]:
        return read, 5 * query.bytes, scores  # queries also as scaled
    if dropout:
        return read, 6 * query.bytes, scores  # queries and keys also as scaled
    return read, 4 * query.bytes, rows * max(4, query.dtype.itemsize)


add(Op(
    names=("scaled_dot_product_attention",),
    arguments="query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, scale=None, enable_gqa=False",
    shape={F.scaled_dot_product_attention: _shape},
    macs=_macs,
    gradient_macs=_gradient_macs,
    field=contracted(lambda call, out: letters(call, out, "md", "kd", "ke", "mk", result="me")),
    saved=_saved,
    workspace=None,
    label=plain_name,
))  # fmt: skip
add(Op(
    names=tuple(MULTI_HEAD),
    arguments="query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, "
    "add_zero_attn, dropout_p=0.0, out_proj_weight=None, out_proj_bias=None, training=True, key_padding_mask=None, "
    "need_weights=True",
    shape=None,
    macs=_multi_head_macs,
    gradient_macs=_multi_head_gradient_macs,
    field=each_input(_multi_head_field),
    saved=_multi_head_saved,
    workspace=None,
    label=plain_name,
))  # fmt: skip

"""What autograd keeps of products of matrices, and of attention, which is two of them.

A product's derivative by one factor is the other one, which may have to be copied into another layout first.
"""

from collections.abc import Callable, Mapping, Set
from math import prod
from typing import Any

import torch

from convblocks.analysis.rules import argument
from convblocks.analysis.trace.graph import Op, Value

Kept = Value | int
Rule = Callable[[Op, Set[int]], tuple[Kept, ...] | None]
"""Of an op and the numbers of the values that need a gradient. None: not known for this call."""


def _flat(x: Value) -> Kept:
    """A map as a matrix of its last axis; a copy where its other axes do not lie one behind the other."""
    return x if x.folds(len(x.shape) - 1) else x.bytes


def linear(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    x, weight = op.inputs[:2]
    kept = [_flat(x)] if weight.number in needs else []
    return (*kept, weight) if x.number in needs else tuple(kept)


def matmul(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """Matrices in batches are multiplied as (batch, rows, columns), for which a factor may have to be copied."""
    a, b = op.inputs[:2]
    kept = [_batched(b, a)] if a.number in needs else []
    return (*kept, _batched(a, b)) if b.number in needs else tuple(kept)


def _batched(x: Value, other: Value) -> Kept:
    if len(x.shape) < 3:
        return x
    if len(other.shape) < 3:
        return _flat(x)
    if prod(x.shape[:-2]) < prod(other.shape[:-2]):  # stretched
        return x.bytes * prod(other.shape[:-2]) // prod(x.shape[:-2])
    return x if x.folds(len(x.shape) - 2) else x.bytes


def einsum(op: Op, needs: Set[int]) -> tuple[Kept, ...]:
    """Autograd's own answer, from running the op without data.

    torch sums, permutes, stretches and copies its operands before each of the products it makes of them.
    """
    meta = {
        v.number: torch.empty_strided(
            v.shape, v.stride, dtype=v.dtype, device="meta", requires_grad=v.number in needs
        )
        for v in op.inputs
    }
    operands = {meta[v.number].untyped_storage()._cdata: v for v in op.inputs}
    kept: dict[int, Kept] = {}
    alive: list[torch.Tensor] = []  # so that no two storages have one address

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)
        storage = tensor.untyped_storage()
        kept[storage._cdata] = operands.get(storage._cdata, storage.nbytes())
        return tensor

    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        alive.append(torch.einsum(*_tensors(op.args, meta), **_tensors(dict(op.kwargs), meta)))
    return tuple(kept.values())


def _tensors(given: Any, meta: Mapping[int, torch.Tensor]) -> Any:
    """The arguments of an op with tensors in place of its values."""
    if isinstance(given, Value):
        return meta[given.number]
    if isinstance(given, dict):
        return {name: _tensors(value, meta) for name, value in given.items()}
    return tuple([_tensors(part, meta) for part in given]) if isinstance(given, tuple) else given


def attention(op: Op, needs: Set[int]) -> tuple[Kept, ...] | None:
    """Flash attention's operands, result and log-sum-exp; where it cannot be used, what the two products keep."""
    dropout = argument(op, 4, "dropout_p", 0.0)
    if dropout is None:
        return None
    query, key, value = op.inputs[:3]
    mask = op.inputs[3] if len(op.inputs) > 3 else None
    if dropout or not _flash(query, key, value) or (mask is not None and mask.number in needs):
        rows = prod(query.shape[:-1])
        scores = _scores_bytes(rows * key.shape[-2] * query.dtype.itemsize, dropout)
        keys = rows // query.shape[-2] * key.shape[-2] * key.shape[-1] * key.dtype.itemsize
        return _batched(value, query), query.bytes + keys, scores  # queries and keys as scaled
    masks = (
        () if mask is None else (mask if mask.dtype == query.dtype else mask.elements * query.dtype.itemsize,)
    )
    return query, key, value, *masks, op.outputs[0], _log_sums_bytes(query)


def _flash(query: Value, key: Value, value: Value) -> bool:
    """What PyTorch asks for on a processor (sdp_utils_cpp.cpp), besides no dropout and no mask that learns."""
    same = query.shape[:2] == key.shape[:2] == value.shape[:2]
    same = same and query.shape[-1] == key.shape[-1] == value.shape[-1]
    return len(query.shape) == 4 and same and all(v.stride[-1] == 1 for v in (query, key, value))


def _log_sums_bytes(query: Value) -> int:
    return query.elements // query.shape[-1] * max(4, query.dtype.itemsize)


def _scores_bytes(scores: int, dropout: float) -> int:
    """After softmax; where some are dropped also the noise, and what is left."""
    return scores * 3 if dropout else scores


def multi_head(op: Op, needs: Set[int]) -> tuple[Kept, ...] | None:
    """Self-attention in one projection: map, queries, keys and values, attention, result (nn.MultiheadAttention)."""
    query, key, value = op.inputs[:3]
    if not query.number == key.number == value.number:
        return None
    length, batch = query.shape[0], query.shape[1] if len(query.shape) == 3 else 1
    rows = batch * argument(op, 4, "num_heads") * length
    dropout = argument(op, 10, "dropout_p", 0.0)
    scores = _scores_bytes(rows * length * query.dtype.itemsize, dropout)
    read = _flat(query)
    if argument(op, 15, "need_weights", True):
        return read, 5 * query.bytes, scores  # queries also as scaled
    if dropout:
        return read, 6 * query.bytes, scores  # queries and keys also as scaled
    return read, 4 * query.bytes, rows * max(4, query.dtype.itemsize)

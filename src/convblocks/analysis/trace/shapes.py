"""Output shapes by formula, for the ops that networks call most: what the meta device would say, without asking it.

Each rule takes the op's own arguments and returns the shape, a list of them where the op gives several tensors, or
None where it does not apply.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

Shape = tuple[int, ...]
Rule = Callable[..., Shape | list[Shape] | None]


def _convolution(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Shape | None:
    kernel = weight.shape
    dims = len(kernel) - 2
    if isinstance(padding, str) or x.ndim != dims + 2 or x.shape[1] != kernel[1] * groups:
        return None
    stride, padding, dilation = (
        (v,) * dims if isinstance(v, int) else tuple(v) * (dims if len(v) == 1 else 1)
        for v in (stride, padding, dilation)
    )
    spatial = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x.shape[2:], kernel[2:], stride, padding, dilation, strict=True)
    )
    return (x.shape[0], kernel[0], *spatial) if min(spatial) > 0 else None


def _linear(x: torch.Tensor, weight: torch.Tensor, bias: Any = None) -> Shape | None:
    if x.ndim == 0 or x.shape[-1] != weight.shape[-1] or weight.ndim != 2:
        return None
    return (*x.shape[:-1], weight.shape[0])


def _same(x: torch.Tensor, *args: Any, **kwargs: Any) -> Shape:
    return tuple(x.shape)


def _batch_norm(
    x: torch.Tensor, mean: Any, variance: Any, weight: Any = None, *_: Any, **__: Any
) -> Shape | None:
    """None where torch has to refuse the number of channels."""
    fits = all(t is None or t.shape[0] == x.shape[1] for t in (mean, weight))
    return tuple(x.shape) if fits else None


def _layer_norm(x: torch.Tensor, shape: Any, *_: Any, **__: Any) -> Shape | None:
    return tuple(x.shape) if tuple(shape) == x.shape[-len(shape) :] else None


def _group_norm(x: torch.Tensor, groups: int, weight: Any = None, *_: Any, **__: Any) -> Shape | None:
    fits = x.shape[1] % groups == 0 and (weight is None or weight.shape[0] == x.shape[1])
    return tuple(x.shape) if fits else None


def _dropout(x: torch.Tensor, p: float = 0.5, *args: Any, **kwargs: Any) -> Shape | None:
    """What training makes of it: a new tensor, unless nothing is dropped."""
    return tuple(x.shape) if p else None


def _elementwise(x: torch.Tensor, other: Any, **kwargs: Any) -> Shape | None:
    """Of floats of one type, which the result then has."""
    if kwargs or not x.is_floating_point():
        return None
    here = tuple(x.shape)
    if isinstance(other, int | float):
        return here
    if not isinstance(other, torch.Tensor) or other.dtype != x.dtype:
        return None
    there = tuple(other.shape)
    if here == there:
        return here
    short, long = sorted((here, there), key=len)
    pairs = list(zip((1,) * (len(long) - len(short)) + short, long, strict=True))
    return tuple(map(max, pairs)) if all(a == b or 1 in (a, b) for a, b in pairs) else None


def _max_pool2d(
    x: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Shape | None:
    if ceil_mode or return_indices or x.ndim != 4:
        return None
    kernel, pad, dilate = _pair(kernel_size), _pair(padding), _pair(dilation)
    step = _pair(stride) if stride else kernel
    if any(2 * p > k for p, k in zip(pad, kernel, strict=True)):
        return None
    spatial = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(x.shape[2:], kernel, step, pad, dilate, strict=True)
    )
    return (*x.shape[:2], *spatial) if min(spatial) > 0 else None


def _adaptive_pool2d(x: torch.Tensor, output_size: Any) -> Shape | None:
    size = _pair(output_size)
    if x.ndim != 4 or 0 in x.shape:
        return None
    return (
        *x.shape[:2],
        *(n if wanted is None else wanted for n, wanted in zip(x.shape[2:], size, strict=True)),
    )


def _mean(x: torch.Tensor, dim: Any = None, keepdim: bool = False) -> Shape | None:
    places = (dim,) if isinstance(dim, int) else dim
    if not places or not x.is_floating_point() or not all(-x.ndim <= place < x.ndim for place in places):
        return None
    gone = {place % x.ndim for place in places}
    if len(gone) < len(places):
        return None
    return tuple(1 if i in gone else n for i, n in enumerate(x.shape) if keepdim or i not in gone)


def _attention(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: Any = None, dropout_p: float = 0.0, **_: Any
) -> Shape | None:
    """Of flash attention, which takes no dropout and only operands whose last axis lies side by side."""
    if not q.ndim == k.ndim == v.ndim == 4 or mask is not None or dropout_p:
        return None
    fits = q.shape[:2] == k.shape[:2] == v.shape[:2] and q.shape[3] == k.shape[3] == v.shape[3]
    fits = fits and q.stride(3) == k.stride(3) == v.stride(3) == 1
    return tuple(q.shape) if fits and k.shape[2] == v.shape[2] else None


def _recurrent(x: torch.Tensor, state: Any, weights: Any, *options: Any) -> list[Shape] | None:
    """The meta kernel walks through all steps; state is (h, c) of an LSTM, h of a GRU."""
    if x.ndim != 3 or x.shape[-1] != weights[0].shape[-1]:
        return None  # packed sequences have two axes
    states = (state,) if isinstance(state, torch.Tensor) else state
    *_, bidirectional, _batch_first = options
    width = states[0].shape[-1] * (2 if bidirectional else 1)
    return [(*x.shape[:2], width), *(tuple(each.shape) for each in states)]


def _pair(value: Any) -> tuple[Any, Any]:
    return (value, value) if isinstance(value, int) or value is None else (value[0], value[-1])


SHAPES: dict[Callable[..., Any], Rule] = {
    torch.conv1d: _convolution,
    torch.conv2d: _convolution,
    torch.conv3d: _convolution,
    F.linear: _linear,
    F.batch_norm: _batch_norm,
    F.layer_norm: _layer_norm,
    F.group_norm: _group_norm,
    F.relu: _same,
    F.relu6: _same,
    F.silu: _same,
    F.gelu: _same,
    F.hardswish: _same,
    F.hardsigmoid: _same,
    F.dropout: _dropout,
    torch.sigmoid: _same,
    torch.Tensor.add: _elementwise,
    torch.Tensor.add_: _elementwise,
    torch.Tensor.mul: _elementwise,
    torch.Tensor.mul_: _elementwise,
    torch.Tensor.mean: _mean,
    torch.mean: _mean,
    torch.lstm: _recurrent,
    torch.gru: _recurrent,
    torch.rnn_tanh: _recurrent,
    torch.rnn_relu: _recurrent,
    F.adaptive_avg_pool2d: _adaptive_pool2d,
    F.max_pool2d: _max_pool2d,
    F.scaled_dot_product_attention: _attention,
    torch.fake_quantize_per_tensor_affine: _same,
    torch.fake_quantize_per_channel_affine: _same,
}

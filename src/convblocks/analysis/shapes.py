"""Output shapes by formula, for the ops that networks call most: what the meta device would say, without asking it.

Each rule takes the op's own arguments and returns the shape, or None where it does not apply.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

Shape = tuple[int, ...]
Rule = Callable[..., Shape | None]


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


SHAPES: dict[Callable[..., Any], Rule] = {
    torch.conv1d: _convolution,
    torch.conv2d: _convolution,
    torch.conv3d: _convolution,
    F.linear: _linear,
    F.batch_norm: _same,
    F.layer_norm: _same,
    F.group_norm: _same,
    F.relu: _same,
    F.relu6: _same,
    F.silu: _same,
    F.gelu: _same,
    F.hardswish: _same,
    F.dropout: _same,
    torch.sigmoid: _same,
}

"""The order in which elements of a batch of maps lie: channel by channel, or all channels of a pixel side by side."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F

MAPS = {4: torch.channels_last, 5: torch.channels_last_3d}  # by the number of axes
CONVOLUTIONS = frozenset({torch.conv2d, torch.conv3d})
CONTIGUOUS = frozenset({F.linear, F.layer_norm})  # results that are contiguous whatever they are made of


def layout(func: Callable[..., Any], args: Any, shape: Sequence[int]) -> torch.memory_format:
    """Returns the layout of a result: that of the maps it is made of, or of a convolution's weight."""
    if len(shape) not in MAPS or len(shape) != args[0].ndim or func in CONTIGUOUS:
        return torch.contiguous_format
    for each in args[:2] if func in CONVOLUTIONS else args[:1]:
        if channels_last(each.shape, each.stride()):
            return MAPS[len(shape)]
    return torch.contiguous_format


def channels_last(shape: Sequence[int], stride: Sequence[int]) -> bool:
    """Returns whether PyTorch takes a tensor for maps with the channels last (is_channels_last_strides_2d in c10).

    An axis of one element, which lies in any order, counts by its stride too.
    """
    if len(shape) in MAPS and stride[-1] < stride[1] * shape[1]:
        return False  # channels first, as nearly all maps
    least = 0
    for axis in _order(shape):
        if stride[axis] < least or (axis == 0 and least == stride[1]):
            return False
        least = stride[axis] * max(1, shape[axis])
    return len(shape) in MAPS


def dense_channels_last(shape: Sequence[int], stride: Sequence[int]) -> bool:
    """Returns whether the elements lie side by side with the channels last, so that no copy is needed for that."""
    step = 1
    for axis in _order(shape):
        if shape[axis] != 1 and stride[axis] != step:
            return False
        step *= shape[axis]
    return len(shape) in MAPS


def _order(shape: Sequence[int]) -> tuple[int, ...]:
    """Axes of a batch of maps, from the one whose elements lie closest."""
    return (1, *reversed(range(2, len(shape))), 0) if len(shape) in MAPS else ()

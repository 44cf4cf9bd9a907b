"""Options of a block on which the addition of main path and shortcut depends."""

import torch
from torch import nn

from convblocks.checks import PerAxis, dimensions, odd_kernel, per_axis
from convblocks.errors import OptionError
from convblocks.layers.conv import same_padding


def addable_padding(
    padding: PerAxis | None, kernel_size: PerAxis, dilation: PerAxis, dims: int
) -> tuple[int, ...]:
    """Returns the padding that keeps the map; an explicit one must equal it, or main path and shortcut differ."""
    dims = dimensions(dims)
    same = same_padding(odd_kernel(kernel_size, dims), per_axis("dilation", dilation, dims, at_least=1))
    if padding is not None and per_axis("padding", padding, dims, at_least=0) != same:
        raise OptionError(
            "padding",
            padding,
            f"breaks the addition: with kernel_size={kernel_size} and dilation={dilation} main path and shortcut "
            f"agree only at {same[0] if len(set(same)) == 1 else same}; leave padding=None",
        )
    return same


def zero_last_norm_(last: torch.Tensor | nn.Module, norm: str) -> None:
    """Starts the scale of the main path's last norm at 0."""
    weight = getattr(last, "weight", None)
    if weight is None:
        raise OptionError(
            "zero_init", True, f"scales the last norm, but norm={norm!r}; choose a norm or False"
        )
    weight.detach().zero_()

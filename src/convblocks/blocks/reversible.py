"""Reversible block: channels in two halves, each changed by what the other shows; backward needs the output alone."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from convblocks.blocks.addition import addable_padding
from convblocks.checks import MOST_LAYERS, PerAxis, dividing_groups, per_axis, whole
from convblocks.errors import OptionError
from convblocks.layers import NormActConv, reversible
from convblocks.layers.pooling import Pool


class ReversibleBlock(nn.Module):
    """y1 = x1 + F(x2), y2 = x2 + G(y1), and so on (RevNet, Gomez et al. 2017, arXiv:1707.04585, section 3.2).

    (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)). The `depth` pre-activated convolutions (norm →
    activation → convolution, at half the channels) are dealt out to functions F, G, F, G, … of `function_depth`
    each, the last of which has what is left; 4 make the paper's unit, 12 a stage of RevNet-38, 36 one of
    RevNet-110. Training keeps the output and no activations, whatever the depth, and runs each function twice.
    Where channels or size change, the first function keeps its activations, and the halves are pooled and filled
    up with channels of zeros (or cut), as in the paper's code.
    Gradients of gradients are refused. Raises OptionError for an option that cannot work.

    >>> ReversibleBlock(64, 64)(torch.zeros(1, 64, 32, 32)).shape
    torch.Size([1, 64, 32, 32])
    """

    channels_multiple_of = 2
    preactivated: ClassVar[bool] = True
    """Its output is neither normed nor activated: a network of it closes with both."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis = 3,
        stride: PerAxis = 1,
        padding: PerAxis | None = None,
        *,
        depth: int = 4,
        function_depth: int = 2,
        dilation: PerAxis = 1,
        groups: int = 1,
        bias: bool | None = None,
        norm: str = "batch",
        activation: str = "relu",
        padding_mode: str = "zeros",
        dims: int = 2,
    ):
        super().__init__()
        whole("depth", depth, at_least=1, at_most=MOST_LAYERS, hint=": a block has at least one convolution")
        whole("function_depth", function_depth, at_least=1, at_most=MOST_LAYERS)
        same = addable_padding(padding, kernel_size, dilation, dims)
        inputs, outputs = half("in_channels", in_channels), half("out_channels", out_channels)
        dividing_groups(groups, **{"in_channels/2": inputs, "out_channels/2": outputs})

        def function(first: int) -> nn.Sequential:
            return nn.Sequential(
                *(
                    NormActConv(
                        outputs if i else inputs,
                        outputs,
                        kernel_size,
                        1 if i else stride,
                        same,
                        activation=activation,
                        dilation=dilation,
                        groups=groups,
                        bias=bias,
                        norm=norm,
                        padding_mode=padding_mode,
                        dims=dims,
                    )
                    for i in range(first, min(first + function_depth, depth))
                )
            )

        steps = per_axis("stride", stride, dims, at_least=1)
        functions = [function(i) for i in range(0, depth, function_depth)]
        changes = inputs != outputs or max(steps) > 1
        self.first = functions.pop(0) if changes else None
        self.shortcut = PoolAndFill(steps, outputs - inputs) if changes else nn.Identity()
        self.functions = nn.ModuleList(functions)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x1, x2 = x.chunk(2, dim=1)
        if self.first is not None:
            x1, x2 = self.shortcut(x2), self.shortcut(x1) + self.first(x2)
        return torch.cat(reversible(self.functions, x1, x2), dim=1)


class PoolAndFill(nn.Module):
    """Means over windows of `stride`, then `channels` more of zeros; fewer, if that is negative. No parameters."""

    def __init__(self, stride: tuple[int, ...], channels: int):
        super().__init__()
        self.pool = Pool("average", stride) if max(stride) > 1 else nn.Identity()
        self.fill = (0, 0) * len(stride) + (0, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.pad(self.pool(x), self.fill)


def half(option: str, channels: int) -> int:
    """Returns half the channels. Raises OptionError for an odd number."""
    whole(option, channels, at_least=2)
    if channels % 2:
        raise OptionError(
            option,
            channels,
            f"a reversible block splits them in two halves; use an even number, e.g. {channels - 1} or {channels + 1}",
        )
    return channels // 2

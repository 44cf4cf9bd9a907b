"""Pre-activation block: norm and activation before each convolution, nothing behind the addition."""

from typing import ClassVar

import torch
from torch import nn

from convblocks.blocks.addition import addable_padding
from convblocks.checks import MOST_LAYERS, PerAxis, whole
from convblocks.layers import NormActConv, StochasticDepth, make_activation, make_norm, make_shortcut
from convblocks.layers.conv import make_conv, needs_bias


class PreActivationBlock(nn.Module):
    """main(x) + x with `depth` × (norm → act → conv) in main (He et al. 2016b, arXiv:1603.05027, figure 4e).

    (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)). Only the first convolution strides. Where the
    block changes the channels or strides, its first norm and activation serve main path and shortcut alike, and
    the projection has no norm, as in the paper's code and Wide ResNet's. What the block puts out is neither normed
    nor activated: `preactivated` says so, and a network of such blocks closes with norm and activation.
    Raises OptionError for an option that cannot work.

    >>> PreActivationBlock(3, 64)(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 64, 32, 32])
    """

    preactivated: ClassVar[bool] = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis = 3,
        stride: PerAxis = 1,
        padding: PerAxis | None = None,
        *,
        depth: int = 2,
        dilation: PerAxis = 1,
        groups: int = 1,
        bias: bool | None = None,
        norm: str = "batch",
        activation: str = "relu",
        padding_mode: str = "zeros",
        shortcut: str = "projection",
        stochastic_depth: float = 0.0,
        dims: int = 2,
    ):
        super().__init__()
        whole("depth", depth, at_least=1, at_most=MOST_LAYERS, hint=": a block has at least one convolution")
        padding = addable_padding(padding, kernel_size, dilation, dims)
        biased = needs_bias(bias, norm)
        # before the norm, since it checks the channels
        first = make_conv(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation=dilation,
            groups=groups,
            bias=biased,
            padding_mode=padding_mode,
            dims=dims,
        )
        self.norm = make_norm(norm, in_channels, dims)
        self.activation = make_activation(activation, overwrites=norm != "none")
        self.main = nn.Sequential(
            first,
            *(
                NormActConv(
                    out_channels,
                    out_channels,
                    kernel_size,
                    padding=padding,
                    dilation=dilation,
                    groups=groups,
                    bias=biased,
                    norm=norm,
                    activation=activation,
                    padding_mode=padding_mode,
                    dims=dims,
                )
                for _ in range(depth - 1)
            ),
        )
        self.shortcut = make_shortcut(
            in_channels, out_channels, stride, kind=shortcut, bias=biased, norm="none", dims=dims
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ready = self.activation(self.norm(x))
        shortcut = x if isinstance(self.shortcut, nn.Identity) else self.shortcut(ready)
        return self.stochastic_depth(self.main(ready)) + shortcut

"""Pre-activation bottleneck block: the bottleneck with norm and activation before each convolution."""

from typing import ClassVar

import torch
from torch import nn

from convblocks.blocks.addition import addable_padding
from convblocks.blocks.bottleneck import middle_channels
from convblocks.checks import PerAxis
from convblocks.layers import (
    NormActConv,
    StochasticDepth,
    bottleneck_depth,
    make_activation,
    make_norm,
    make_shortcut,
)
from convblocks.layers.conv import make_conv, needs_bias


class PreActivationBottleneckBlock(nn.Module):
    """expand(spatial(reduce(x))) + x, each norm → act → conv (He et al. 2016b, arXiv:1603.05027, section 5).

    (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)), with `depth` − 2 k×k convolutions at
    max(1, out_channels // expansion) channels, as in ResNet-164 and ResNet-1001. The first of them strides. First
    norm, projection and `preactivated` are PreActivationBlock's.
    Raises OptionError for an option that cannot work.

    >>> PreActivationBottleneckBlock(3, 64)(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 64, 32, 32])
    """

    preactivated: ClassVar[bool] = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: int = 4,
        kernel_size: PerAxis = 3,
        stride: PerAxis = 1,
        padding: PerAxis | None = None,
        *,
        depth: int = 3,
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
        spatial_depth = bottleneck_depth(depth) - 2
        middle = middle_channels(out_channels, expansion, groups)
        padding = addable_padding(padding, kernel_size, dilation, dims)
        biased = needs_bias(bias, norm)
        reduce = make_conv(in_channels, middle, 1, bias=biased, dims=dims)
        self.norm = make_norm(norm, in_channels, dims)
        self.activation = make_activation(activation, overwrites=norm != "none")
        self.reduce = reduce
        self.spatial = nn.Sequential(
            *(
                NormActConv(
                    middle,
                    middle,
                    kernel_size,
                    stride if i == 0 else 1,
                    padding,
                    dilation=dilation,
                    groups=groups,
                    bias=biased,
                    norm=norm,
                    activation=activation,
                    padding_mode=padding_mode,
                    dims=dims,
                )
                for i in range(spatial_depth)
            )
        )
        self.expand = NormActConv(
            middle, out_channels, 1, bias=biased, norm=norm, activation=activation, dims=dims
        )
        self.shortcut = make_shortcut(
            in_channels, out_channels, stride, kind=shortcut, bias=biased, norm="none", dims=dims
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ready = self.activation(self.norm(x))
        shortcut = x if isinstance(self.shortcut, nn.Identity) else self.shortcut(ready)
        return self.stochastic_depth(self.expand(self.spatial(self.reduce(ready)))) + shortcut

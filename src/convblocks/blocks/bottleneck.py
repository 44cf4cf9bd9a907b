"""Bottleneck block: 1×1 reduce → k×k convolutions at fewer channels → 1×1 expand, under one shortcut."""

import torch
from torch import nn

from convblocks.blocks.addition import addable_padding, zero_last_norm_
from convblocks.checks import PerAxis, dividing_groups, whole
from convblocks.errors import OptionError
from convblocks.layers import (
    StochasticDepth,
    bottleneck_layers,
    make_activation,
    make_attention,
    make_branch_scale,
    make_shortcut,
)


class BottleneckBlock(nn.Module):
    """act(expand(spatial(reduce(x))) + shortcut(x)) (He et al. 2016, arXiv:1512.03385, figure 5).

    (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)), with `depth` − 2 k×k convolutions at
    max(1, out_channels // expansion) channels. The first k×k convolution strides, as in ResNet v1.5.
    `groups` > 1 splits the k×k convolutions: ResNeXt (Xie et al. 2017, arXiv:1611.05431, figure 3c).
    `attention` gates the main path before the addition, as in SE-ResNet (Hu et al. 2018, arXiv:1709.01507,
    figure 3); `branch_scale` as in ResidualBlock. Raises OptionError for an option that cannot work.

    >>> BottleneckBlock(3, 64)(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 64, 32, 32])
    """

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
        attention: str = "none",
        stochastic_depth: float = 0.0,
        zero_init: bool = False,
        branch_scale: str = "none",
        dims: int = 2,
    ):
        super().__init__()
        middle = middle_channels(out_channels, expansion, groups)
        self.reduce, self.spatial, self.expand = bottleneck_layers(
            depth,
            (in_channels, middle, out_channels),
            kernel_size,
            stride,
            addable_padding(padding, kernel_size, dilation, dims),
            dilation=dilation,
            groups=groups,
            bias=bias,
            norm=norm,
            activation=activation,
            padding_mode=padding_mode,
            dims=dims,
        )
        self.attention = make_attention(attention, out_channels, dims)
        self.shortcut = make_shortcut(
            in_channels, out_channels, stride, kind=shortcut, bias=bias, norm=norm, dims=dims
        )
        self.branch_scale = make_branch_scale(branch_scale, zero_init=zero_init)
        self.stochastic_depth = StochasticDepth(stochastic_depth)
        self.activation = make_activation(activation)
        if zero_init:
            zero_last_norm_(self.expand.norm, norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        main = self.attention(self.expand(self.spatial(self.reduce(x))))
        return self.activation(self.stochastic_depth(self.branch_scale(main)) + self.shortcut(x))


def middle_channels(out_channels: int, expansion: int, groups: int) -> int:
    """Returns the channels of the k×k convolutions: out_channels // expansion, never 0, a multiple of groups."""
    whole("out_channels", out_channels, at_least=1)
    middle = max(1, out_channels // whole("expansion", expansion, at_least=1))
    try:
        dividing_groups(groups, middle=middle)
    except OptionError as error:
        raise OptionError(
            "groups",
            groups,
            f"must divide the {middle} channels of the k×k convolutions (out_channels={out_channels} // "
            f"expansion={expansion}); out_channels={expansion * groups} would fit",
        ) from error
    return middle

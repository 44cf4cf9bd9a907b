"""Residual block: `depth` k×k convolutions under one shortcut, activation after the addition."""

import torch
from torch import nn

from convblocks.blocks.addition import addable_padding, zero_last_norm_
from convblocks.checks import MOST_LAYERS, PerAxis, whole
from convblocks.layers import (
    StochasticDepth,
    conv_stack,
    make_activation,
    make_attention,
    make_branch_scale,
    make_shortcut,
)


class ResidualBlock(nn.Module):
    """act(main(x) + shortcut(x)) with `depth` convolutions in main (He et al. 2016, arXiv:1512.03385, figure 2).

    (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)). `depth` 2 is ResNet's basic block; Wide
    ResNet calls it the deepening factor (arXiv:1605.07146, section 2). Only the first convolution strides.
    `zero_init` starts the last norm's scale at 0, so that the block starts as its shortcut
    (Goyal et al. 2017, arXiv:1706.02677, section 5.1). `attention` gates the main path before the addition, as
    in SE-ResNet (Hu et al. 2018, arXiv:1709.01507, figure 3). `branch_scale` puts a learnt number on the branch,
    which starts at ``zero`` (SkipInit, ReZero) or ``one`` (Fixup) and needs no norm.
    Raises OptionError for an option that cannot work.

    >>> ResidualBlock(3, 64)(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 64, 32, 32])
    """

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
        attention: str = "none",
        stochastic_depth: float = 0.0,
        zero_init: bool = False,
        branch_scale: str = "none",
        dims: int = 2,
    ):
        super().__init__()
        whole("depth", depth, at_least=1, at_most=MOST_LAYERS, hint=": a block has at least one convolution")
        self.main = conv_stack(
            depth,
            in_channels,
            out_channels,
            kernel_size,
            stride,
            addable_padding(padding, kernel_size, dilation, dims),
            dilation=dilation,
            groups=groups,
            bias=bias,
            norm=norm,
            activation=activation,
            last_activation="none",
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
            zero_last_norm_(self.main[-1].norm, norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        main = self.attention(self.main(x))
        return self.activation(self.stochastic_depth(self.branch_scale(main)) + self.shortcut(x))

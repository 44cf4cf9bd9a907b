"""Inverted residual block: 1×1 expand → depthwise k×k → 1×1 project, the shortcut between the narrow ends."""

from typing import ClassVar

import torch
from torch import nn

from convblocks.blocks.addition import addable_padding
from convblocks.checks import MOST_LAYERS, PerAxis, dimensions, per_axis, truth, whole
from convblocks.layers import ConvNormAct, SqueezeExcite, StochasticDepth, conv_stack


class InvertedResidualBlock(nn.Module):
    """project(spatial(expand(x))) + x (Sandler et al. 2018, arXiv:1801.04381, table 1 and figure 4).

    (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)). `expand` goes to in_channels · expansion channels,
    the depthwise convolutions stay there, and `project` has no activation after it. The first depthwise one
    strides. x is added only where the shape stays; elsewhere there is no shortcut, and no stochastic depth.
    `depth` counts every convolution: 1 expand, `depth` − 2 depthwise, 1 project. `expansion` 1 leaves expand out,
    as the paper's first block, which is depth=2 there; then `depth` − 1 are depthwise.
    `squeeze_excite` gates the depthwise layers' output, with in_channels // 4 channels between: MBConv of MnasNet
    (Tan et al. 2019, arXiv:1807.11626) and, with activation="silu", of EfficientNet (arXiv:1905.11946).
    Raises OptionError for an option that cannot work.

    >>> InvertedResidualBlock(3, 64)(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 64, 32, 32])
    """

    plain: ClassVar[bool] = False
    """Its layers do not stand in one row: it adds what it keeps."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis = 3,
        stride: PerAxis = 1,
        padding: PerAxis | None = None,
        *,
        depth: int = 3,
        expansion: int = 6,
        dilation: PerAxis = 1,
        bias: bool | None = None,
        norm: str = "batch",
        activation: str = "relu6",
        padding_mode: str = "zeros",
        squeeze_excite: bool = False,
        stochastic_depth: float = 0.0,
        dims: int = 2,
    ):
        super().__init__()
        whole("in_channels", in_channels, at_least=1)
        middle = in_channels * whole("expansion", expansion, at_least=1)
        pointwise = 1 if expansion == 1 else 2
        hint = ": at least one depthwise convolution" + (", 1×1" if expansion == 1 else " between two 1×1")
        whole("depth", depth, at_least=pointwise + 1, at_most=MOST_LAYERS, hint=hint)
        self.expand = (
            nn.Identity()
            if expansion == 1
            else ConvNormAct(in_channels, middle, 1, bias=bias, norm=norm, activation=activation, dims=dims)
        )
        self.spatial = conv_stack(
            depth - pointwise,
            middle,
            middle,
            kernel_size,
            stride,
            addable_padding(padding, kernel_size, dilation, dims),
            dilation=dilation,
            groups=middle,
            bias=bias,
            norm=norm,
            activation=activation,
            padding_mode=padding_mode,
            dims=dims,
        )
        self.squeeze_excite = (
            SqueezeExcite(middle, max(1, in_channels // 4), activation, dimensions(dims))
            if truth("squeeze_excite", squeeze_excite)
            else nn.Identity()
        )
        self.project = ConvNormAct(
            middle, out_channels, 1, bias=bias, norm=norm, activation="none", dims=dims
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth)
        strides = per_axis("stride", stride, dims, at_least=1)
        self.has_shortcut = in_channels == out_channels and set(strides) == {1}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        main = self.project(self.squeeze_excite(self.spatial(self.expand(x))))
        return self.stochastic_depth(main) + x if self.has_shortcut else main

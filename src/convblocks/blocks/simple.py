"""Simple block: D × (convolution → norm → activation), no shortcut."""

import torch
from torch import nn

from convblocks.checks import MOST_LAYERS, PerAxis, dimensions, whole
from convblocks.layers import conv_stack, make_pool


class SimpleConvBlock(nn.Module):
    """`depth` convolution layers one after another, as in VGG (Simonyan & Zisserman 2015, section 2.1).

    (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)), halved once more by a `pool`.
    Only the first convolution strides. `padding=None` keeps the map; an explicit padding is applied
    by every convolution. Raises OptionError for an option that cannot work.

    >>> SimpleConvBlock(3, 64)(torch.zeros(1, 3, 32, 32)).shape
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
        depth: int = 3,
        dilation: PerAxis = 1,
        groups: int = 1,
        bias: bool | None = None,
        norm: str = "batch",
        activation: str = "relu",
        padding_mode: str = "zeros",
        pool: str = "none",
        dims: int = 2,
    ):
        super().__init__()
        whole("depth", depth, at_least=1, at_most=MOST_LAYERS, hint=": a block has at least one convolution")
        self.layers = conv_stack(
            depth,
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            norm=norm,
            activation=activation,
            padding_mode=padding_mode,
            dims=dims,
        )
        self.pool = make_pool(pool, dimensions(dims))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(self.layers(x))

"""ResNeXt block: a bottleneck whose k×k convolutions are split into groups of a stated width."""

import torch
from torch import nn

from convblocks.blocks.addition import addable_padding, zero_last_norm_
from convblocks.checks import PerAxis, truth, whole
from convblocks.layers import StochasticDepth, bottleneck_layers, make_activation, make_shortcut


class ResNeXtBlock(nn.Module):
    """act(expand(spatial(reduce(x))) + shortcut(x)) (Xie et al. 2017, arXiv:1611.05431, figure 3c).

    (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)). The `depth` − 2 k×k convolutions have `groups`
    groups (the paper's cardinality C); at 256 channels out each is `base_width` wide (the paper's d) and in
    proportion at others, as in torchvision, though never less than 1. So 32×4d is the default, and
    1×64, 2×40, 4×24, 8×14 and 32×4 cost the same (table 2).
    Raises OptionError for an option that cannot work.

    >>> ResNeXtBlock(3, 64)(torch.zeros(1, 3, 32, 32)).shape
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
        groups: int = 32,
        base_width: int = 4,
        dilation: PerAxis = 1,
        bias: bool | None = None,
        norm: str = "batch",
        activation: str = "relu",
        padding_mode: str = "zeros",
        shortcut: str = "projection",
        stochastic_depth: float = 0.0,
        zero_init: bool = False,
        dims: int = 2,
    ):
        super().__init__()
        self.reduce, self.spatial, self.expand = bottleneck_layers(
            depth,
            (in_channels, grouped_channels(out_channels, groups, base_width), out_channels),
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
        self.shortcut = make_shortcut(
            in_channels, out_channels, stride, kind=shortcut, bias=bias, norm=norm, dims=dims
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth)
        self.activation = make_activation(activation)
        if truth("zero_init", zero_init):
            zero_last_norm_(self.expand.norm, norm)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        main = self.expand(self.spatial(self.reduce(x)))
        return self.activation(self.stochastic_depth(main) + self.shortcut(x))


def grouped_channels(out_channels: int, groups: int, base_width: int) -> int:
    """Returns the channels of the k×k convolutions: `groups` times `base_width` at 256 channels."""
    whole("out_channels", out_channels, at_least=1)
    width = out_channels * whole("base_width", base_width, at_least=1) // 256
    return max(1, width) * whole("groups", groups, at_least=1)

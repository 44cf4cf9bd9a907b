"""Dense block: each layer reads all that came before it, then a 1×1 transition to the wanted channels."""

from functools import partial
from typing import ClassVar

import torch
from torch import nn

from convblocks.checks import MOST_LAYERS, PerAxis, dimensions, per_axis, truth, whole
from convblocks.errors import OptionError
from convblocks.layers import NormActConv
from convblocks.layers.pooling import Pool


class DenseBlock(nn.Module):
    """Layers that each add `growth` channels to the map, and a transition (Huang et al. 2017, arXiv:1608.06993).

    (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)). Each layer is norm → act → k×k conv; with
    `bottleneck` a 1×1 convolution to 4 · growth channels stands before it (DenseNet-B). The transition, norm → act
    → 1×1 conv → average pool, comes last, so that the layers see the whole map, and carries the stride.
    `depth` counts convolutions, the transition's too: depth − 1 layers, half as many with a bottleneck.
    `growth=None` is a quarter of out_channels, as in the first block of DenseNet-121 (32 of 128, table 1).
    What the block puts out is neither normed nor activated (`preactivated`).
    Raises OptionError for an option that cannot work.

    >>> DenseBlock(3, 64)(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 64, 32, 32])
    """

    preactivated: ClassVar[bool] = True
    plain: ClassVar[bool] = False
    """Its layers do not stand in one row: it joins them to what it keeps."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis = 3,
        stride: PerAxis = 1,
        *,
        depth: int = 5,
        growth: int | None = None,
        bottleneck: bool = False,
        dilation: PerAxis = 1,
        bias: bool | None = None,
        norm: str = "batch",
        activation: str = "relu",
        padding_mode: str = "zeros",
        dims: int = 2,
    ):
        super().__init__()
        layers = dense_layers(depth, bottleneck)
        whole("in_channels", in_channels, at_least=1)
        whole("out_channels", out_channels, at_least=1)
        growth = max(1, out_channels // 4) if growth is None else whole("growth", growth, at_least=1)
        layer = partial(NormActConv, bias=bias, norm=norm, activation=activation, dims=dims)

        def dense_layer(channels: int) -> nn.Module:
            reduced = 4 * growth if bottleneck else channels
            grow = layer(reduced, growth, kernel_size, dilation=dilation, padding_mode=padding_mode)
            return nn.Sequential(layer(channels, reduced, 1), grow) if bottleneck else grow

        self.layers = nn.ModuleList(dense_layer(in_channels + i * growth) for i in range(layers))
        steps = per_axis("stride", stride, dimensions(dims), at_least=1)
        self.transition = layer(in_channels + layers * growth, out_channels, 1)
        self.pool = Pool("average", steps) if any(step > 1 for step in steps) else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = torch.cat((x, layer(x)), 1)
        return self.pool(self.transition(x))


def dense_layers(depth: int, bottleneck: bool) -> int:
    """Returns the number of layers of `depth` convolutions, one of which is the transition's.

    A layer has one convolution, or two with a bottleneck.
    """
    per_layer = 2 if truth("bottleneck", bottleneck) else 1
    hint = f": {'1×1 and k×k' if bottleneck else 'a convolution'} for each layer, and the transition's 1×1"
    layers, rest = divmod(
        whole("depth", depth, at_least=per_layer + 1, at_most=MOST_LAYERS, hint=hint) - 1, per_layer
    )
    if rest:
        raise OptionError(
            "depth", depth, f"expected an odd number with a bottleneck, as {depth - 1} or {depth + 1}{hint}"
        )
    return layers

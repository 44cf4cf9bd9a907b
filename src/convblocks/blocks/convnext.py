"""ConvNeXt block: depthwise k×k → layer norm → 1×1 expand → GELU → 1×1 project, under one shortcut."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import nn

from convblocks.blocks.addition import addable_padding
from convblocks.checks import MOST_LAYERS, PerAxis, dimensions, per_axis, whole
from convblocks.layers import ConvNormAct, LayerScale, StochasticDepth, conv_stack, make_norm
from convblocks.layers.conv import CONV


class ConvNeXtBlock(nn.Module):
    """y + layer_scale(project(expand(spatial(y)))), y = downsample(x) (Liu et al. 2022, arXiv:2201.03545, figure 4).

    (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)). `downsample` stands where channels or stride
    change, as between the paper's stages (section 2.6), and is the identity elsewhere.
    `depth` counts the convolutions under the shortcut: `depth` − 2 depthwise ones, each with its layer norm, then
    1×1 to expansion · out_channels, and 1×1 back; 3 is the paper's block. So it asks what `depth` asks of a
    bottleneck: how many layers one shortcut spans. Like a projection, `downsample` does not count.
    `layer_scale` is the first scale of the main path. Raises OptionError for an option that cannot work.

    >>> ConvNeXtBlock(3, 64)(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 64, 32, 32])
    """

    plain: ClassVar[bool] = False
    """Its layers do not stand in one row: it adds what it keeps."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis = 7,
        stride: PerAxis = 1,
        padding: PerAxis | None = None,
        *,
        depth: int = 3,
        expansion: int = 4,
        dilation: PerAxis = 1,
        activation: str = "gelu",
        padding_mode: str = "zeros",
        layer_scale: float = 1e-6,
        stochastic_depth: float = 0.0,
        dims: int = 2,
    ):
        super().__init__()
        whole("in_channels", in_channels, at_least=1)
        whole("out_channels", out_channels, at_least=1)
        whole(
            "depth",
            depth,
            at_least=3,
            at_most=MOST_LAYERS,
            hint=": at least one depthwise convolution, then two 1×1",
        )
        middle = out_channels * whole("expansion", expansion, at_least=1)
        steps = per_axis("stride", stride, dimensions(dims), at_least=1)
        keeps = in_channels == out_channels and set(steps) == {1}
        self.downsample = nn.Identity() if keeps else Downsample(in_channels, out_channels, steps)
        self.spatial = conv_stack(
            depth - 2,
            out_channels,
            out_channels,
            kernel_size,
            1,
            addable_padding(padding, kernel_size, dilation, dims),
            dilation=dilation,
            groups=out_channels,
            bias=True,
            norm="layer",
            activation="none",
            padding_mode=padding_mode,
            dims=dims,
        )
        self.expand = ConvNormAct(out_channels, middle, 1, norm="none", activation=activation, dims=dims)
        self.project = ConvNormAct(middle, out_channels, 1, norm="none", activation="none", dims=dims)
        self.layer_scale = LayerScale(out_channels, layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.downsample(x)
        main = self.layer_scale(self.project(self.expand(self.spatial(x))))
        return x + self.stochastic_depth(main)


class Downsample(nn.Module):
    """Layer norm → convolution whose windows lie side by side, one that the edge cuts filled with zeros.

    (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: tuple[int, ...]):
        super().__init__()
        self.norm = make_norm("layer", in_channels, len(stride))
        self.conv = CONV[len(stride)](in_channels, out_channels, stride, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(x)
        lacking = [-n % s for n, s in zip(x.shape[2:], self.conv.stride, strict=True)]
        if any(lacking):
            x = F.pad(x, [side for n in reversed(lacking) for side in (0, n)])
        return self.conv(x)

"""The convolution layers before the first stage."""

from collections import OrderedDict
from itertools import pairwise

from msgspec import Struct
from torch import nn

from convblocks.checks import MOST_LAYERS, dimensions, whole
from convblocks.layers import ConvNormAct, make_pool
from convblocks.networks.per_axis import Axes, product


class Stem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`depth` convolution layers and a pool; a network whose first stage sees the input has none.

    The first layer strides; all but the last have half the channels, as in ResNet-C and -D's three 3×3
    (He et al. 2019, arXiv:1812.01187, figure 2). ``pool="max3"`` is ResNet's, ``max3_unpadded`` AlexNet's;
    ConvNeXt's patches are kernel_size 4, stride 4, padding 0 (an even kernel needs a padding of its own).
    """

    out_channels: int
    kernel_size: Axes = 3
    stride: Axes = 1
    padding: Axes | None = None
    depth: int = 1
    bias: bool | None = None
    norm: str = "batch"
    activation: str = "relu"
    pool: str = "none"

    def build(self, in_channels: int, dims: int) -> nn.Module:
        """Builds the module. Raises OptionError."""
        whole("depth", self.depth, at_least=1, at_most=MOST_LAYERS)
        narrow = max(1, self.out_channels // 2)
        widths = [in_channels, *[narrow] * (self.depth - 1), self.out_channels]
        layers = [
            ConvNormAct(
                before,
                after,
                self.kernel_size,
                self.stride if i == 0 else 1,
                self.padding,
                bias=self.bias,
                norm=self.norm,
                activation=self.activation,
                dims=dims,
            )
            for i, (before, after) in enumerate(pairwise(widths))
        ]
        stem = layers[0] if self.depth == 1 else nn.Sequential(*layers)
        pool = make_pool(self.pool, dimensions(dims))
        if self.pool == "none":
            return stem
        return nn.Sequential(OrderedDict(layers=stem, pool=pool))

    def reduction(self, dims: int) -> Axes:
        """Returns the input's size over the map's."""
        return product(self.stride, 1 if self.pool == "none" else 2, dims=dims)

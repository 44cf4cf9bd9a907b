"""The main path that bottlenecks share: 1×1 reduce, k×k spatial, 1×1 expand."""

from typing import Unpack

from torch import nn

from convblocks.checks import MOST_LAYERS, PerAxis, whole
from convblocks.layers.conv import ConvNormAct, ConvOptions, conv_stack


def bottleneck_depth(depth: object) -> int:
    """Returns `depth`, if it leaves a k×k convolution between the two 1×1 ones."""
    return whole(
        "depth",
        depth,
        at_least=3,
        at_most=MOST_LAYERS,
        hint=": 1×1, at least one k×k, 1×1; for fewer use ResidualBlock",
    )


def bottleneck_layers(
    depth: int,
    channels: tuple[int, int, int],
    kernel_size: PerAxis,
    stride: PerAxis,
    padding: PerAxis | None,
    *,
    activation: str,
    **options: Unpack[ConvOptions],
) -> tuple[nn.Module, nn.Module, ConvNormAct]:
    """Returns (reduce, spatial, expand) over `channels` (in, middle, out) with `depth` − 2 k×k convolutions.

    The first k×k convolution strides, and all of them are grouped. Nothing acts behind expand, which ends the
    main path of a residual block.
    """
    spatial_depth = bottleneck_depth(depth) - 2
    inputs, middle, outputs = channels
    bias, norm, dims = options["bias"], options["norm"], options["dims"]
    return (
        ConvNormAct(inputs, middle, 1, bias=bias, norm=norm, activation=activation, dims=dims),
        conv_stack(
            spatial_depth, middle, middle, kernel_size, stride, padding, activation=activation, **options
        ),
        ConvNormAct(middle, outputs, 1, bias=bias, norm=norm, activation="none", dims=dims),
    )

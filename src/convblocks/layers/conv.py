"""ConvNormAct and its pre-activated twin NormActConv, which families are made of; conv_stack, several in a row."""

from collections.abc import Callable
from typing import TypedDict, Unpack

import torch
from torch import nn

from convblocks.checks import (
    PerAxis,
    dimensions,
    dividing_groups,
    odd_kernel,
    one_of,
    per_axis,
    probability,
    truth,
    whole,
)
from convblocks.errors import OptionError
from convblocks.layers.activation import make_activation
from convblocks.layers.normalisation import make_norm
from convblocks.text import times

CONV: dict[int, Callable[..., nn.Conv1d | nn.Conv2d | nn.Conv3d]] = {
    1: nn.Conv1d,
    2: nn.Conv2d,
    3: nn.Conv3d,
}
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")
BEYOND_PADDING = {"reflect": 1, "circular": 0}
"""Positions that a map needs beyond those that it lends to its padding."""


def same_padding(kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the padding with which a convolution of that odd kernel turns n into ceil(n / stride)."""
    return tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))


def make_conv(
    in_channels: int,
    out_channels: int,
    kernel_size: PerAxis = 3,
    stride: PerAxis = 1,
    padding: PerAxis | None = None,
    *,
    dilation: PerAxis = 1,
    groups: int = 1,
    bias: bool = False,
    padding_mode: str = "zeros",
    dims: int = 2,
) -> nn.Conv1d | nn.Conv2d | nn.Conv3d:
    """Returns a convolution with checked options; `padding=None` keeps the map at stride 1, for an odd kernel."""
    dims = dimensions(dims)
    whole("in_channels", in_channels, at_least=1)
    whole("out_channels", out_channels, at_least=1)
    spacing = per_axis("dilation", dilation, dims, at_least=1)
    if padding is None:
        kernel = odd_kernel(kernel_size, dims)
        padding = same_padding(kernel, spacing)
    else:
        kernel = per_axis("kernel_size", kernel_size, dims, at_least=1)
    conv = CONV[dims](
        in_channels,
        out_channels,
        kernel,
        per_axis("stride", stride, dims, at_least=1),
        per_axis("padding", padding, dims, at_least=0),
        spacing,
        dividing_groups(groups, in_channels=in_channels, out_channels=out_channels),
        truth("bias", bias),
        one_of("padding_mode", padding_mode, PADDING_MODES),
    )
    if padding_mode in BEYOND_PADDING:
        conv.register_forward_pre_hook(require_map)
    return conv


def needs_bias(bias: bool | None, norm: str) -> bool:
    """Returns true for a convolution with bias; `bias=None` is one only without a norm, whose shift would cancel it."""
    return norm == "none" if bias is None else truth("bias", bias, or_none=True)


class ConvNormAct(nn.Module):
    """Convolution → norm → activation; (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)).

    `padding=None` pads so that a stride of 1 keeps the map, at every odd kernel and dilation; an even kernel
    needs a padding of its own (patches: kernel and stride 4, padding 0).
    `bias=None` gives the convolution a bias only without a norm, whose shift would cancel it.
    Raises OptionError, at forward, for a map too small to be padded by itself.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis = 3,
        stride: PerAxis = 1,
        padding: PerAxis | None = None,
        *,
        dilation: PerAxis = 1,
        groups: int = 1,
        bias: bool | None = None,
        norm: str = "batch",
        activation: str = "relu",
        padding_mode: str = "zeros",
        dims: int = 2,
    ):
        super().__init__()
        self.conv = make_conv(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation=dilation,
            groups=groups,
            bias=needs_bias(bias, norm),
            padding_mode=padding_mode,
            dims=dims,
        )
        self.norm = make_norm(norm, out_channels, dims)
        self.activation = make_activation(activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.norm(self.conv(x)))


class NormActConv(nn.Module):
    """Norm → activation → dropout → convolution; (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)).

    The layer of pre-activated families (He et al. 2016b, arXiv:1603.05027, figure 4e). What it puts out is neither
    normed nor activated. Options and refusals are ConvNormAct's; `dropout` is the probability that a value is set
    to 0 in training, behind the activation as in Wide ResNet (arXiv:1605.07146, section 2.4).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis = 3,
        stride: PerAxis = 1,
        padding: PerAxis | None = None,
        *,
        dilation: PerAxis = 1,
        groups: int = 1,
        bias: bool | None = None,
        norm: str = "batch",
        activation: str = "relu",
        padding_mode: str = "zeros",
        dropout: float = 0.0,
        dims: int = 2,
    ):
        super().__init__()
        # first, since it checks the channels
        conv = make_conv(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation=dilation,
            groups=groups,
            bias=needs_bias(bias, norm),
            padding_mode=padding_mode,
            dims=dims,
        )
        self.norm = make_norm(norm, in_channels, dims)
        self.activation = make_activation(activation, overwrites=norm != "none")
        self.dropout = nn.Dropout(probability("dropout", dropout))
        self.conv = conv

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.dropout(self.activation(self.norm(x))))


def require_map(conv: nn.Module, inputs: tuple[torch.Tensor]) -> None:
    """Refuses a map that is too small for the convolution to pad with the map's own values."""
    assert isinstance(conv, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    least = [int(p) + BEYOND_PADDING[conv.padding_mode] for p in conv.padding]
    size = list(inputs[0].shape[2:])
    # conv itself refuses other numbers of axes
    if any(n < m for n, m in zip(size, least, strict=False)):
        raise OptionError(
            "padding_mode",
            conv.padding_mode,
            f"the map is {times(size)}, and such padding takes at least {times(least)}; use zeros or replicate",
        )


class ConvOptions(TypedDict):
    """The options that the layers of a stack share."""

    dilation: PerAxis
    groups: int
    bias: bool | None
    norm: str
    padding_mode: str
    dims: int


def conv_stack(
    depth: int,
    in_channels: int,
    out_channels: int,
    kernel_size: PerAxis,
    stride: PerAxis,
    padding: PerAxis | None,
    *,
    activation: str,
    last_activation: str | None = None,
    **options: Unpack[ConvOptions],
) -> nn.Sequential:
    """Returns `depth` ConvNormAct layers; the first changes the channels and strides, the last may act differently."""
    last = activation if last_activation is None else last_activation
    return nn.Sequential(
        *(
            ConvNormAct(
                in_channels if i == 0 else out_channels,
                out_channels,
                kernel_size,
                stride if i == 0 else 1,
                padding,
                activation=activation if i < depth - 1 else last,
                **options,
            )
            for i in range(depth)
        )
    )

"""NormActConv, the layer of pre-activation networks (He et al. 2016b, arXiv:1603.05027, figure 4e)."""

from typing import Unpack

import torch
from torch import nn

from convblocks.layers.activation import make_activation
from convblocks.layers.check import PerAxis
from convblocks.layers.conv import ConvNormAct, ConvOptions
from convblocks.layers.norm import make_norm


class NormActConv(nn.Module):
    """Norm → activation → convolution; (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)).

    Options, defaults of padding and bias, and errors are those of ConvNormAct. The input is never written to.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis,
        stride: PerAxis,
        padding: PerAxis | None,
        *,
        activation: str,
        **options: Unpack[ConvOptions],
    ):
        super().__init__()
        norm, bias = options["norm"], options["bias"]
        plain: ConvOptions = {**options, "norm": "none", "bias": norm == "none" if bias is None else bias}
        self.conv = ConvNormAct(
            in_channels, out_channels, kernel_size, stride, padding, activation="none", **plain
        ).conv
        self.norm = make_norm(norm, in_channels, options["dims"])
        self.activation = make_activation(activation)
        if norm == "none" and hasattr(self.activation, "inplace"):
            setattr(self.activation, "inplace", False)  # noqa: B010 # what it would write to is the layer's own input

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.activation(self.norm(x)))

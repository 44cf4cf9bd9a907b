"""Wide residual block, whose kernels are given as Wide ResNet writes them: B(3,3), B(3,1,3)."""

import re
from typing import ClassVar

import torch
from torch import nn

from convblocks.checks import MOST_LAYERS, PerAxis, whole
from convblocks.errors import OptionError
from convblocks.layers import NormActConv, StochasticDepth, make_activation, make_norm, make_shortcut
from convblocks.layers.conv import make_conv, needs_bias


class WideBlock(nn.Module):
    """main(x) + x with a pre-activated convolution for each number in `kernels` (arXiv:1605.07146, section 2.1).

    (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)). `kernels` is written as in Zagoruyko & Komodakis
    2016: B(3,3) is their basic block; table 2 has B(3,1,3), B(1,3,1), B(1,3), B(3,1) and B(3,1,1), all
    convolutions of the same width. Where no kernels are given, `depth` asks for that many of 3, their deepening
    factor l (table 3): depth=4 is B(3,3,3,3); with neither it is B(3,3). If both are given they must agree.
    `dropout` is the probability that a value between the convolutions is set to 0 in training (section 2.4).
    The first convolution strides; first norm, projection and `preactivated` are PreActivationBlock's.
    Raises OptionError for an option that cannot work.

    >>> WideBlock(3, 64, "B(3,1,3)")(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 64, 32, 32])
    """

    preactivated: ClassVar[bool] = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernels: str | None = None,
        stride: PerAxis = 1,
        *,
        depth: int | None = None,
        dropout: float = 0.0,
        dilation: PerAxis = 1,
        bias: bool | None = None,
        norm: str = "batch",
        activation: str = "relu",
        padding_mode: str = "zeros",
        shortcut: str = "projection",
        stochastic_depth: float = 0.0,
        dims: int = 2,
    ):
        super().__init__()
        sizes = kernel_list(kernels, depth)
        if dropout and len(sizes) == 1:
            raise OptionError("dropout", dropout, "stands between convolutions, and the block has one; use 0")
        biased = needs_bias(bias, norm)
        # before the norm, since it checks the channels
        first = make_conv(
            in_channels,
            out_channels,
            sizes[0],
            stride,
            dilation=dilation,
            bias=biased,
            padding_mode=padding_mode,
            dims=dims,
        )
        self.norm = make_norm(norm, in_channels, dims)
        self.activation = make_activation(activation, overwrites=norm != "none")
        self.main = nn.Sequential(
            first,
            *(
                NormActConv(
                    out_channels,
                    out_channels,
                    size,
                    dilation=dilation,
                    bias=biased,
                    norm=norm,
                    activation=activation,
                    padding_mode=padding_mode,
                    dropout=dropout,
                    dims=dims,
                )
                for size in sizes[1:]
            ),
        )
        self.shortcut = make_shortcut(
            in_channels, out_channels, stride, kind=shortcut, bias=biased, norm="none", dims=dims
        )
        self.stochastic_depth = StochasticDepth(stochastic_depth)

    @staticmethod
    def fixed_depth(kernels: str | None = None, depth: int | None = None, **_options: object) -> int | None:
        """Returns the block depth that these options fix; None where they leave it open. Raises OptionError."""
        return depth if kernels is None else len(kernel_list(kernels, depth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        ready = self.activation(self.norm(x))
        shortcut = x if isinstance(self.shortcut, nn.Identity) else self.shortcut(ready)
        return self.stochastic_depth(self.main(ready)) + shortcut


def kernel_list(kernels: str | None, depth: int | None) -> list[int]:
    """Returns the kernel size of each convolution: [3, 1, 3] for B(3,1,3), `depth` times 3 without kernels."""
    if depth is not None:
        whole("depth", depth, at_least=1, at_most=MOST_LAYERS, hint=": a block has at least one convolution")
    if kernels is None:
        return [3] * (2 if depth is None else depth)
    if not isinstance(kernels, str) or not re.fullmatch(r"B\(\d+(, ?\d+)*\)", kernels, re.ASCII):
        raise OptionError(
            "kernels", kernels, "expected a kernel size for each convolution, as in B(3,3) or B(1,3,1)"
        )
    sizes = [int(size) for size in kernels[2:-1].split(",")]
    if len(sizes) > MOST_LAYERS:
        raise OptionError(
            "kernels",
            f"{kernels[:20]}…",
            f"expected at most {MOST_LAYERS:,} kernel sizes, not {len(sizes):,}",
        )
    for size in sizes:
        if size % 2 == 0:
            raise OptionError(
                "kernels", kernels, f"an even kernel shifts the map by half a pixel; use odd ones, not {size}"
            )
    if depth not in (None, len(sizes)):
        raise OptionError(
            "depth",
            depth,
            f"kernels={kernels} has {len(sizes)} convolutions; leave depth out, or the kernels",
        )
    return sizes

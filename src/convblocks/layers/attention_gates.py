"""Attention by name: gates between 0 and 1 that a map computes for its own channels or positions."""

from collections.abc import Callable
from math import log2

import torch
from torch import nn

from convblocks.checks import dimensions, one_of, whole
from convblocks.layers.activation import make_activation
from convblocks.layers.conv import CONV, same_padding

# of channels in the bottleneck of the gates: r of Hu et al. 2018, section 6.1, and of CBAM
REDUCTION = 16


class SqueezeExcite(nn.Module):
    """x · sigmoid(excite(act(squeeze(mean of each channel)))); (N, channels, *n) → the same.

    Hu et al. 2018, arXiv:1709.01507, figure 2. `squeezed` is the width between the two 1×1 convolutions.
    """

    def __init__(self, channels: int, squeezed: int, activation: str = "relu", dims: int = 2):
        super().__init__()
        self.squeeze = CONV[dims](channels, squeezed, 1)
        self.activation = make_activation(activation)
        self.excite = CONV[dims](squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(_axes(x), keepdim=True)
        return x * self.excite(self.activation(self.squeeze(mean))).sigmoid()


class EfficientChannelAttention(nn.Module):
    """x · sigmoid(convolution along the channels of their means); (N, channels, *n) → the same.

    Wang et al. 2020, arXiv:1910.03151, figure 2 (ECA); one kernel of `eca_kernel(channels)` weights.
    """

    def __init__(self, channels: int):
        super().__init__()
        kernel = eca_kernel(channels)
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(_axes(x))
        gates = self.conv(mean.unsqueeze(1)).sigmoid()
        return x * gates.view(*mean.shape, *[1] * (x.ndim - 2))


def eca_kernel(channels: int) -> int:
    """Returns (log2(channels) + 1) / 2, whole and odd: Wang et al. 2020, equation 12, with γ = 2 and b = 1."""
    half = int((log2(channels) + 1) / 2)
    return half if half % 2 else half + 1


class ChannelGate(nn.Module):
    """x · sigmoid(MLP(mean of each channel) + MLP(its maximum)) (Woo et al. 2018, equation 2)."""

    def __init__(self, channels: int, dims: int):
        super().__init__()
        squeezed = max(1, channels // REDUCTION)
        self.mlp = nn.Sequential(
            CONV[dims](channels, squeezed, 1), nn.ReLU(inplace=True), CONV[dims](squeezed, channels, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, most = x.mean(_axes(x), keepdim=True), x.amax(_axes(x), keepdim=True)
        return x * (self.mlp(mean) + self.mlp(most)).sigmoid()


class SpatialGate(nn.Module):
    """x · sigmoid(7×7 convolution of mean and maximum over the channels) (Woo et al. 2018, equation 3)."""

    def __init__(self, dims: int):
        super().__init__()
        self.conv = CONV[dims](2, 1, 7, padding=same_padding((7,) * dims, (1,) * dims))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * self.conv(pooled).sigmoid()


class CBAM(nn.Sequential):
    """The gates of the channels, then those of the positions (Woo et al. 2018, arXiv:1807.06521, figure 1)."""

    def __init__(self, channels: int, dims: int):
        super().__init__(ChannelGate(channels, dims), SpatialGate(dims))


ATTENTIONS: dict[str, Callable[[int, int], nn.Module]] = {
    "none": lambda channels, dims: nn.Identity(),
    "squeeze_excite": lambda channels, dims: SqueezeExcite(
        channels, max(1, channels // REDUCTION), dims=dims
    ),
    "eca": lambda channels, dims: EfficientChannelAttention(channels),
    "cbam": CBAM,
}


def make_attention(name: str, channels: int, dims: int = 2) -> nn.Module:
    """Returns the attention of that name over `channels`; (N, channels, *spatial) → the same."""
    make = ATTENTIONS[one_of("attention", name, ATTENTIONS)]
    return make(whole("channels", channels, at_least=1), dimensions(dims))


def _axes(x: torch.Tensor) -> tuple[int, ...]:
    """Returns the spatial axes."""
    return tuple(range(2, x.ndim))

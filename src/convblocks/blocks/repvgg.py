"""RepVGG block: layers of parallel branches in training, each of which becomes one convolution afterwards."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import nn

from convblocks.blocks.addition import addable_padding
from convblocks.checks import MOST_LAYERS, PerAxis, truth, whole
from convblocks.layers import ConvNormAct, make_activation, make_norm


class RepVGGBlock(nn.Module):
    """`depth` × act(norm(k×k(x)) + norm(1×1(x)) + norm(x)) (Ding et al. 2021, arXiv:2101.03697, figure 2).

    Reparameterized it is `depth` × act(k×k(x)).
    (N, in_channels, *n) → (N, out_channels, *ceil(n / stride)). The first layer changes the channels and strides;
    norm(x) stands where a layer's shape stays. The norm is batch norm, which eval mode makes linear: so
    `reparameterize` turns each layer into one k×k convolution with bias. `reparameterized` builds the block that
    way, for the state dict of one that was turned. Raises OptionError for an option that cannot work.

    >>> RepVGGBlock(3, 64)(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 64, 32, 32])
    """

    deployed: ClassVar[Mapping[str, Any]] = {"reparameterized": True}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: PerAxis = 3,
        stride: PerAxis = 1,
        padding: PerAxis | None = None,
        *,
        depth: int = 1,
        dilation: PerAxis = 1,
        groups: int = 1,
        activation: str = "relu",
        padding_mode: str = "zeros",
        reparameterized: bool = False,
        dims: int = 2,
    ):
        super().__init__()
        whole("depth", depth, at_least=1, at_most=MOST_LAYERS, hint=": a block has at least one layer")
        truth("reparameterized", reparameterized)
        padding = addable_padding(padding, kernel_size, dilation, dims)

        def convolution(
            i: int, kernel: PerAxis, padding: PerAxis, spacing: PerAxis, norm: str
        ) -> ConvNormAct:
            return ConvNormAct(
                out_channels if i else in_channels,
                out_channels,
                kernel,
                1 if i else stride,
                padding,
                dilation=spacing,
                groups=groups,
                norm=norm,
                activation="none",
                padding_mode=padding_mode,
                dims=dims,
            )

        def layer(i: int) -> RepVGGLayer:
            if reparameterized:
                return RepVGGLayer(convolution(i, kernel_size, padding, dilation, "none").conv, activation)
            spatial = convolution(i, kernel_size, padding, dilation, "batch")
            pointwise = convolution(i, 1, 0, 1, "batch")
            keeps = spatial.conv.in_channels == out_channels and set(spatial.conv.stride) == {1}
            identity = [make_norm("batch", out_channels, dims)] if keeps else []
            return RepVGGLayer(Branches(spatial, pointwise, *identity), activation)

        self.layers = nn.Sequential(*(layer(i) for i in range(depth)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)

    def reparameterize(self) -> Self:
        """Turns each layer's branches into one convolution with bias, in place; the function in eval mode stays.

        Outputs differ by rounding only. What is made of frozen parameters alone is frozen. A block that was turned
        already stays as it is. Returns the block.
        """
        for layer in self.layers:
            if isinstance(layer.convolution, Branches):
                layer.convolution = layer.convolution.merged()
        return self


def reparameterize(module: nn.Module) -> nn.Module:
    """Turns every RepVGGBlock in `module`, itself included, in place; returns the module.

    And every block of a class of yours whose `deployed` says that it has such a form.
    """
    for part in list(module.modules()):
        if isinstance(getattr(type(part), "deployed", None), Mapping):
            part.reparameterize()  # type: ignore[operator]
    return module


class RepVGGLayer(nn.Module):
    """act(convolution(x)), where `convolution` is a sum of branches or what that becomes."""

    def __init__(self, convolution: nn.Module, activation: str):
        super().__init__()
        self.convolution = convolution
        self.activation = make_activation(activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.convolution(x))


class Branches(nn.Module):
    """norm(k×k(x)) + norm(1×1(x)) + norm(x), the last where there is one."""

    def __init__(self, spatial: ConvNormAct, pointwise: ConvNormAct, identity: nn.Module | None = None):
        super().__init__()
        self.spatial, self.pointwise, self.identity = spatial, pointwise, identity

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.spatial(x) + self.pointwise(x)
        return y if self.identity is None else y + self.identity(x)

    @torch.no_grad()
    def merged(self) -> nn.Module:
        """Returns one convolution, with 1×1 kernels and the identity amid k×k ones (section 3.3, figure 4)."""
        conv = self.spatial.conv
        centre = [k // 2 for k in reversed(conv.kernel_size) for _ in range(2)]
        branches = [
            (conv.weight, self.spatial.norm),
            (F.pad(self.pointwise.conv.weight, centre), self.pointwise.norm),
        ]
        if self.identity is not None:
            branches.append((F.pad(_unit_kernels(self.pointwise.conv.weight), centre), self.identity))
        weights, biases = zip(*(_folded(weight, norm) for weight, norm in branches), strict=True)
        learns = any(parameter.requires_grad for parameter in self.parameters())
        conv.weight = nn.Parameter(torch.stack(weights).sum(0), learns)
        conv.bias = nn.Parameter(torch.stack(biases).sum(0), learns)
        return conv


def _unit_kernels(pointwise: torch.Tensor) -> torch.Tensor:
    """Returns the 1×1 weight that gives x back: 1 from each channel to itself, counted within its group."""
    weight = torch.zeros_like(pointwise)
    channels = torch.arange(len(weight))
    weight[channels, channels % weight.shape[1]] = 1
    return weight


def _folded(weight: torch.Tensor, norm: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns weight and bias of a convolution without bias and its batch norm in eval mode."""
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return weight * scale.view(-1, *[1] * (weight.ndim - 1)), norm.bias - norm.running_mean * scale

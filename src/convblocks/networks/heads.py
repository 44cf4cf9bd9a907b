"""Heads behind the stages of a network, as frozen values; TOML and JSON have their `kind`.

A head has ``build(channels, strides, classes, dims)``, which gives its module: `channels` and `strides` are those
of each stage's map, the strides counted from the input. The module takes the last stage's map; if its
`every_map` is true it takes the list of all stages' maps and the spatial size of the input, and gives scores for
each position: ``forward(maps, size)``. A new head is a Struct here (or beside it) and its name in Head.
"""

import torch
from msgspec import Struct
from torch import nn

from convblocks.checks import one_of, per_axis, probability, whole
from convblocks.layers import ConvNormAct, make_activation, make_norm
from convblocks.layers.pooling import ADAPTIVE_POOL
from convblocks.networks.per_axis import Axes
from convblocks.networks.segmentation import DilatedHead, UNetHead

POOLED_NORMS = ("none", "batch", "group", "layer")
"""The norms that can norm one mean for each channel."""


class ClassificationHead(nn.Module):
    """[last] → mean over all positions → [norm] → [dropout] → linear; (N, in_channels, *n) → (N, classes)."""

    every_map = False

    def __init__(
        self,
        in_channels: int,
        classes: int,
        *,
        last: nn.Module | None = None,
        norm: nn.Module | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.last = last or nn.Identity()
        self.norm = norm or nn.Identity()
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.linear = nn.Linear(in_channels, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.last(x)
        return self.linear(self.dropout(self.norm(x.mean(dim=tuple(range(2, x.ndim))))))


class GridClassifier(nn.Module):
    """Means over a fixed grid → (linear → ReLU → dropout) for each hidden layer → linear."""

    every_map = False

    def __init__(
        self, in_channels: int, classes: int, grid: tuple[int, ...], hidden: tuple[int, ...], dropout: float
    ):
        super().__init__()
        self.grid = grid
        inputs = torch.Size((in_channels, *grid)).numel()
        self.hidden = nn.Sequential(
            *(
                nn.Sequential(nn.Linear(before, width), nn.ReLU(inplace=True), nn.Dropout(dropout))
                for before, width in zip((inputs, *hidden), hidden, strict=False)
            )
        )
        self.linear = nn.Linear(hidden[-1] if hidden else inputs, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        cells = ADAPTIVE_POOL[len(self.grid)](x, self.grid)
        return self.linear(self.hidden(cells.flatten(1)))


class MeanHead(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
    tag="mean",
):
    """Mean over all positions, then a linear layer; the default adds nothing before, between or after.

    Args:
        width: channels of a last 1×1 convolution before the mean (MobileNetV2's 1,280); 0 for none.
        norm: the norm after that convolution, or by itself: it closes networks of pre-activation blocks.
        activation: the activation after that norm.
        pooled_norm: the norm of the means over the channels (ConvNeXt's ``layer``).
        dropout: the probability that a mean is set to 0 before the linear layer.
    """

    width: int = 0
    norm: str = "none"
    activation: str = "none"
    pooled_norm: str = "none"
    dropout: float = 0.0

    def build(
        self, channels: tuple[int, ...], strides: tuple[Axes, ...], classes: int, dims: int
    ) -> ClassificationHead:
        """Builds the module; see the head of this file. Raises OptionError."""
        # the mean takes a map of any size
        del strides
        last, width = self._last(channels[-1], dims)
        pooled = make_norm(one_of("pooled_norm", self.pooled_norm, POOLED_NORMS), width, 1)
        dropout = probability("dropout", self.dropout)
        return ClassificationHead(width, classes, last=last, norm=pooled, dropout=dropout)

    def _last(self, channels: int, dims: int) -> tuple[nn.Module | None, int]:
        """Returns the layers before the mean, and their channels."""
        if whole("width", self.width, at_least=0):
            last = ConvNormAct(channels, self.width, 1, norm=self.norm, activation=self.activation, dims=dims)
            return last, self.width
        if self.norm == self.activation == "none":
            return None, channels
        norm, activation = make_norm(self.norm, channels, dims), make_activation(self.activation)
        return nn.Sequential(norm, activation), channels


class GridHead(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
    tag="grid",
):
    """Fully connected layers on a fixed grid of means: AlexNet's (6×6) and VGG's (7×7), 4,096 units twice.

    Each hidden layer is linear → ReLU → dropout, as in both papers.
    """

    grid: Axes = 7
    hidden: tuple[int, ...] = (4096, 4096)
    dropout: float = 0.5

    def build(
        self, channels: tuple[int, ...], strides: tuple[Axes, ...], classes: int, dims: int
    ) -> GridClassifier:
        """Builds the module; see the head of this file. Raises OptionError."""
        # the grid takes a map of any size
        del strides
        grid = per_axis("grid", self.grid, dims, at_least=1)
        hidden = tuple(whole("hidden", width, at_least=1) for width in self.hidden)
        return GridClassifier(channels[-1], classes, grid, hidden, probability("dropout", self.dropout))


Head = MeanHead | GridHead | UNetHead | DilatedHead

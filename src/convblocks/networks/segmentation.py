"""Heads that score every position, for odd sizes too and for 1, 2 or 3 axes.

Network(…, head=UNetHead())                       U-Net: any stages as encoder, any family in the decoder
dilated(Network(…, head=DilatedHead()), most=8)   DeepLab: the last stages dilate instead of striding
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from msgspec import Struct
from torch import nn

from convblocks.blocks.block_spec import BlockSpec
from convblocks.checks import per_axis, whole
from convblocks.errors import SpecError
from convblocks.layers import ConvNormAct, make_activation, make_norm
from convblocks.layers.conv import CONV
from convblocks.networks.per_axis import Axes

UP: dict[int, Callable[..., nn.Module]] = {
    1: nn.ConvTranspose1d,
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
# branches of a pyramid; the paper's has three
MOST_RATES = 100
LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


class UpBlock(nn.Module):
    """Transposed convolution → beside the encoder's map → double convolution (Ronneberger et al. 2015, figure 1).

    (N, in_channels, *n), (N, skip_channels, *m) → (N, skip_channels, *m), where `stride` is how m shrank to n; of
    odd m the transposed convolution gives a position more, which is cut off; what a pool
    without padding left out at the far edge is zeros. Behind a block of a pre-activated family
    stand its norm and activation, which all that reads the map shares.
    """

    def __init__(
        self, in_channels: int, skip_channels: int, stride: tuple[int, ...], block: BlockSpec, dims: int
    ):
        super().__init__()
        self.up = UP[dims](in_channels, skip_channels, stride, stride)
        self.block = block.build(2 * skip_channels, skip_channels, dims=dims)
        norm, activation = (block.option(name) or "none" for name in ("norm", "activation"))
        preactivated = getattr(self.block, "preactivated", False)
        self.closing = closing(norm, activation, skip_channels, dims) if preactivated else nn.Identity()

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        up = self.up(x)
        lacking = [max(0, m - n) for m, n in zip(skip.shape[2:], up.shape[2:], strict=True)]
        if any(lacking):
            up = F.pad(up, [side for n in reversed(lacking) for side in (0, n)])
        for axis in range(2, up.ndim):
            up = up.narrow(axis, 0, skip.shape[axis])
        return self.closing(self.block(torch.cat([skip, up], 1)))


class UNetDecoder(nn.Module):
    """An up block for each stage but the last, from the last backwards, then 1×1 scores at the input's size.

    `closings`, one for each stage or none at all, act on the stages' maps before anything here reads them.
    """

    every_map = True

    def __init__(self, closings: list[nn.Module], ups: list[UpBlock], scores: nn.Module):
        super().__init__()
        self.closings = nn.ModuleList(closings)
        self.ups = nn.ModuleList(ups)
        self.scores = scores

    def forward(self, maps: list[torch.Tensor], size: tuple[int, ...]) -> torch.Tensor:
        if len(self.closings) > 0:
            maps = [closing(x) for closing, x in zip(self.closings, maps, strict=True)]
        x = maps[-1]
        for up, skip in zip(self.ups, maps[-2::-1], strict=True):
            x = up(x, skip)
        return resized(self.scores(x), size)


class AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling, then 1×1 scores at the input's size (Chen et al. 2017, arXiv:1706.05587, 3.3).

    Side by side a 1×1 convolution, 3×3 convolutions of each dilation, and the mean of the map behind a 1×1 convolution
    without a norm, for which one position has no statistics; all of them concatenated and brought to `width`.
    """

    every_map = True

    def __init__(
        self,
        closing: nn.Module,
        in_channels: int,
        classes: int,
        width: int,
        rates: tuple[int, ...],
        dims: int,
    ):
        super().__init__()
        self.closing = closing
        self.point = ConvNormAct(in_channels, width, 1, dims=dims)
        self.atrous = nn.ModuleList(
            ConvNormAct(in_channels, width, 3, dilation=rate, dims=dims) for rate in rates
        )
        self.whole = ConvNormAct(in_channels, width, 1, norm="none", dims=dims)
        self.merge = ConvNormAct((2 + len(rates)) * width, width, 1, dims=dims)
        self.scores = CONV[dims](width, classes, 1)

    def forward(self, maps: list[torch.Tensor], size: tuple[int, ...]) -> torch.Tensor:
        x = self.closing(maps[-1])
        mean = self.whole(x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)).expand(-1, -1, *x.shape[2:])
        pyramid = [self.point(x), *(layer(x) for layer in self.atrous), mean]
        return resized(self.scores(self.merge(torch.cat(pyramid, 1))), size)


def closing(norm: str, activation: str, channels: int, dims: int) -> nn.Module:
    """Builds the norm and activation that pre-activated blocks leave to their readers; the identity if neither."""
    if norm == activation == "none":
        return nn.Identity()
    # never in place without a norm, for the next stage reads the map too
    return nn.Sequential(
        make_norm(norm, channels, dims), make_activation(activation, overwrites=norm != "none")
    )


def resized(scores: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """Resamples scores linearly to the input's size, unless they have it."""
    if tuple(scores.shape[2:]) == tuple(size):
        return scores
    return F.interpolate(scores, tuple(size), mode=LINEAR[len(size)], align_corners=False)


class UNetHead(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="unet"):
    """U-Net's decoder: Ronneberger et al. 2015, arXiv:1505.04597, section 2, with maps kept by padding.

    It comes up to the first stage's map, and the scores go from there to the input's size linearly. So a backbone whose
    stem and first stage stride by 4, as ResNet's, is scored at a quarter of the size; one without a stride up to
    there, as the paper's and those of `compare` up to 64 pixels, at every position.

    Args:
        block: the double convolution behind each concatenation: any family and depth.
        norm: the norm of every stage's map before the decoder reads it; it closes stages of pre-activation blocks.
        activation: the activation after that norm.
    """

    block: BlockSpec = BlockSpec("simple", depth=2)
    norm: str = "none"
    activation: str = "none"

    def build(
        self, channels: tuple[int, ...], strides: tuple[Axes, ...], classes: int, dims: int
    ) -> UNetDecoder:
        """Builds the module. Raises SpecError for a block that cannot take the channels, OptionError for a norm."""
        axes = [per_axis("stride", stride, dims, at_least=1) for stride in strides]
        ups = []
        for i in range(len(channels) - 2, -1, -1):
            shrunk = tuple(after // before for after, before in zip(axes[i + 1], axes[i], strict=True))
            try:
                ups.append(UpBlock(channels[i + 1], channels[i], shrunk, self.block, dims))
            except SpecError as error:
                raise SpecError(f"head.block.{error.path}".rstrip("."), error.problem) from error
        closes = (self.norm, self.activation) != ("none", "none")
        closings = [closing(self.norm, self.activation, width, dims) for width in channels if closes]
        return UNetDecoder(closings, ups, CONV[dims](channels[0], classes, 1))


class DilatedHead(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="dilated"
):
    """DeepLab's head (version 3), for a backbone whose last stages dilate: see `dilated`.

    Args:
        width: channels of each branch.
        rates: the dilation of each 3×3 branch; the paper's are for maps at an eighth or sixteenth of large images.
        norm: the norm of the last stage's map before the branches read it; it closes stages of pre-activation blocks.
        activation: the activation after that norm.
    """

    width: int = 256
    rates: tuple[int, ...] = (6, 12, 18)
    norm: str = "none"
    activation: str = "none"

    def build(
        self, channels: tuple[int, ...], strides: tuple[Axes, ...], classes: int, dims: int
    ) -> AtrousPyramid:
        """Builds the module. Raises OptionError."""
        # the scores are brought to the input's size whatever the map's
        del strides
        width = whole("width", self.width, at_least=1)
        whole("rates", len(self.rates), at_least=0, at_most=MOST_RATES)
        rates = tuple(whole("rates", rate, at_least=1) for rate in self.rates)
        closes = closing(self.norm, self.activation, channels[-1], dims)
        return AtrousPyramid(closes, channels[-1], classes, width, rates, dims)

"""Networks without shortcuts: AlexNet and VGG."""

from collections.abc import Callable
from functools import partial

from convblocks.blocks.block_spec import BlockSpec
from convblocks.errors import OptionError
from convblocks.networks.heads import GridHead
from convblocks.networks.network_spec import Network, Stage
from convblocks.networks.stem import Stem

VGG_WIDTHS = (64, 128, 256, 512, 512)
VGG_DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2,) * 5, 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Layers of each stage, by the number of layers with weights (Simonyan & Zisserman 2015, table 1: A, B, D, E)."""


def alexnet(classes: int = 1000) -> Network:
    """AlexNet on one GPU (Krizhevsky 2014, arXiv:1404.5997, footnote 1), as torchvision has it."""

    def stage(out_channels: int, pool: str = "none", **options: int) -> Stage:
        block = BlockSpec("simple", norm="none", pool=pool, **options)
        return Stage(block=block, blocks=1, out_channels=out_channels)

    return Network(
        in_channels=3,
        classes=classes,
        stem=Stem(out_channels=64, kernel_size=11, stride=4, padding=2, norm="none", pool="max3_unpadded"),
        stages=(
            stage(192, "max3_unpadded", kernel_size=5, depth=1),
            stage(384, depth=1),
            stage(256, "max3_unpadded", depth=2),
        ),
        head=GridHead(grid=6),
    )


def vgg(layers: int, classes: int = 1000, *, norm: str = "none") -> Network:
    """VGG of 11, 13, 16 or 19 layers with weights; ``norm="batch"`` is the -BN variant."""
    if layers not in VGG_DEPTHS:
        raise OptionError("layers", layers, f"expected one of {', '.join(map(str, VGG_DEPTHS))}")
    return Network(
        in_channels=3,
        classes=classes,
        stages=tuple(
            Stage(
                block=BlockSpec("simple", depth=depth, norm=norm, bias=True, pool="max"),
                blocks=1,
                out_channels=width,
            )
            for depth, width in zip(VGG_DEPTHS[layers], VGG_WIDTHS, strict=True)
        ),
        head=GridHead(),
    )


CLASSIC: dict[str, Callable[..., Network]] = {
    "alexnet": alexnet,
    **{f"vgg{n}": partial(vgg, n) for n in VGG_DEPTHS},
    **{f"vgg{n}_bn": partial(vgg, n, norm="batch") for n in VGG_DEPTHS},
}

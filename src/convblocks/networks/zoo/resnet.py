"""ResNets for ImageNet: He et al. 2016 (arXiv:1512.03385, table 1), ResNeXt, Wide ResNet-50 and -101, ResNet-D."""

from collections.abc import Callable
from functools import partial

from convblocks.blocks.block_spec import BlockSpec
from convblocks.networks.network_spec import Network, Stage
from convblocks.networks.stem import Stem

BASIC = BlockSpec("residual")
BOTTLENECK = BlockSpec("bottleneck")
# twice the middle (Zagoruyko & Komodakis 2016, table 8)
WIDE = BlockSpec("bottleneck", expansion=2)
# Xie et al. 2017, table 1
RESNEXT_32X4 = BlockSpec("bottleneck", expansion=2, groups=32)
RESNEXT_64X4 = BlockSpec("bottleneck", expansion=1, groups=64)
# He et al. 2019, arXiv:1812.01187, figure 2
BASIC_D = BlockSpec("residual", shortcut="average")
BOTTLENECK_D = BlockSpec("bottleneck", shortcut="average")

STEM = Stem(out_channels=64, kernel_size=7, stride=2, pool="max3")
DEEP_STEM = Stem(out_channels=64, kernel_size=3, stride=2, depth=3, pool="max3")
BASIC_WIDTHS = (64, 128, 256, 512)
BOTTLENECK_WIDTHS = (256, 512, 1024, 2048)


def resnet(
    blocks: tuple[int, ...],
    block: BlockSpec,
    widths: tuple[int, ...] = BOTTLENECK_WIDTHS,
    stem: Stem = STEM,
    classes: int = 1000,
) -> Network:
    """ResNet with `blocks` and `widths` of each stage; every stage but the first halves the map."""
    return Network(
        in_channels=3,
        classes=classes,
        stem=stem,
        stages=tuple(
            Stage(block=block, blocks=count, out_channels=width, stride=1 if i == 0 else 2)
            for i, (count, width) in enumerate(zip(blocks, widths, strict=True))
        ),
    )


resnet18 = partial(resnet, (2, 2, 2, 2), BASIC, BASIC_WIDTHS)
resnet34 = partial(resnet, (3, 4, 6, 3), BASIC, BASIC_WIDTHS)
resnet50 = partial(resnet, (3, 4, 6, 3), BOTTLENECK)
resnet101 = partial(resnet, (3, 4, 23, 3), BOTTLENECK)
resnet152 = partial(resnet, (3, 8, 36, 3), BOTTLENECK)

RESNETS: dict[str, Callable[..., Network]] = {
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "resnet152": resnet152,
    "resnext50_32x4d": partial(resnet, (3, 4, 6, 3), RESNEXT_32X4),
    "resnext101_32x8d": partial(resnet, (3, 4, 23, 3), BlockSpec("bottleneck", expansion=1, groups=32)),
    "resnext101_64x4d": partial(resnet, (3, 4, 23, 3), RESNEXT_64X4),
    "wide_resnet50_2": partial(resnet, (3, 4, 6, 3), WIDE),
    "wide_resnet101_2": partial(resnet, (3, 4, 23, 3), WIDE),
    "resnet18d": partial(resnet, (2, 2, 2, 2), BASIC_D, BASIC_WIDTHS, DEEP_STEM),
    "resnet34d": partial(resnet, (3, 4, 6, 3), BASIC_D, BASIC_WIDTHS, DEEP_STEM),
    "resnet50d": partial(resnet, (3, 4, 6, 3), BOTTLENECK_D, stem=DEEP_STEM),
    "resnet101d": partial(resnet, (3, 4, 23, 3), BOTTLENECK_D, stem=DEEP_STEM),
    "resnet152d": partial(resnet, (3, 8, 36, 3), BOTTLENECK_D, stem=DEEP_STEM),
}

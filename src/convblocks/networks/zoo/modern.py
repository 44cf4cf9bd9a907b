"""ConvNeXt (Liu et al. 2022, arXiv:2201.03545) and RepVGG (Ding et al. 2021, arXiv:2101.03697)."""

from functools import partial

from convblocks.blocks.block_spec import BlockSpec
from convblocks.networks.heads import MeanHead
from convblocks.networks.network_spec import Network, Stage
from convblocks.networks.stem import Stem

REPVGG_A = (1, 2, 4, 14, 1)
REPVGG_B = (1, 4, 6, 16, 1)
"""Blocks of each stage of RepVGG-A and -B."""


def convnext(blocks: tuple[int, ...], widths: tuple[int, ...], classes: int = 1000) -> Network:
    """ConvNeXt (section 3 and appendix A.1): patches of 4×4 and a layer norm, stages, the mean and a layer norm.

    Stochastic depth, which the paper's training raises from block to block, is left to the caller.
    """
    return Network(
        in_channels=3,
        classes=classes,
        stem=Stem(
            out_channels=widths[0],
            kernel_size=4,
            stride=4,
            padding=0,
            bias=True,
            norm="layer",
            activation="none",
        ),
        stages=tuple(
            Stage(block=BlockSpec("convnext"), blocks=count, out_channels=width, stride=2 if i else 1)
            for i, (count, width) in enumerate(zip(blocks, widths, strict=True))
        ),
        head=MeanHead(pooled_norm="layer"),
    )


convnext_tiny = partial(convnext, (3, 3, 9, 3), (96, 192, 384, 768))
convnext_small = partial(convnext, (3, 3, 27, 3), (96, 192, 384, 768))
convnext_base = partial(convnext, (3, 3, 27, 3), (128, 256, 512, 1024))
convnext_large = partial(convnext, (3, 3, 27, 3), (192, 384, 768, 1536))


def repvgg(depths: tuple[int, ...], widths: tuple[int, ...], classes: int = 1000) -> Network:
    """RepVGG (section 3.4 and table 2): stages of `depths` layers, each of which halves the map.

    The first is the paper's stem. The network is that which is trained, with branches:
    `convblocks.blocks.reparameterize` turns a trained module into the deployed one, and
    ``with_blocks("repvgg", reparameterized=True)`` describes that.
    """
    return Network(
        in_channels=3,
        classes=classes,
        stages=tuple(
            Stage(block=BlockSpec("repvgg"), blocks=depth, out_channels=width, stride=2)
            for depth, width in zip(depths, widths, strict=True)
        ),
    )


repvgg_a0 = partial(repvgg, REPVGG_A, (48, 48, 96, 192, 1280))
repvgg_a1 = partial(repvgg, REPVGG_A, (64, 64, 128, 256, 1280))
repvgg_a2 = partial(repvgg, REPVGG_A, (64, 96, 192, 384, 1408))
repvgg_b0 = partial(repvgg, REPVGG_B, (64, 64, 128, 256, 1280))

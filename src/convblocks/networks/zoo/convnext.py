"""ConvNeXt (Liu et al. 2022, arXiv:2201.03545, section 3 and appendix A.1)."""

from functools import partial

from convblocks.blocks.block_spec import BlockSpec
from convblocks.networks.heads import MeanHead
from convblocks.networks.network_spec import Network, Stage
from convblocks.networks.stem import Stem


def convnext(blocks: tuple[int, ...], widths: tuple[int, ...], classes: int = 1000) -> Network:
    """Patches of 4×4 and a layer norm, stages, the mean and another layer norm.

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

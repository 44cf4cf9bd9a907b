"""RepVGG (Ding et al. 2021, arXiv:2101.03697, section 3.4 and table 2)."""

from functools import partial

from convblocks.blocks.block_spec import BlockSpec
from convblocks.networks.network_spec import Network, Stage

DEPTHS_A = (1, 2, 4, 14, 1)
DEPTHS_B = (1, 4, 6, 16, 1)


def repvgg(depths: tuple[int, ...], widths: tuple[int, ...], classes: int = 1000) -> Network:
    """Stages of `depths` layers, each of which halves the map; the first is the paper's stem.

    As it is trained, with branches: `convblocks.blocks.reparameterize` turns a trained module into the deployed
    one, and ``with_blocks("repvgg", reparameterized=True)`` describes that.
    """
    return Network(
        in_channels=3,
        classes=classes,
        stages=tuple(
            Stage(block=BlockSpec("repvgg"), blocks=depth, out_channels=width, stride=2)
            for depth, width in zip(depths, widths, strict=True)
        ),
    )


repvgg_a0 = partial(repvgg, DEPTHS_A, (48, 48, 96, 192, 1280))
repvgg_a1 = partial(repvgg, DEPTHS_A, (64, 64, 128, 256, 1280))
repvgg_a2 = partial(repvgg, DEPTHS_A, (64, 96, 192, 384, 1408))
repvgg_b0 = partial(repvgg, DEPTHS_B, (64, 64, 128, 256, 1280))

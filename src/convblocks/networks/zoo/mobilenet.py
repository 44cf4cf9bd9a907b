"""MobileNetV2: inverted residuals (Sandler et al. 2018, arXiv:1801.04381, table 2)."""

from convblocks.blocks.block_spec import BlockSpec
from convblocks.networks.heads import MeanHead
from convblocks.networks.network_spec import Network, Stage
from convblocks.networks.stem import Stem

# nothing to expand: a depthwise and a 1×1 convolution
PLAIN = BlockSpec("inverted", expansion=1, depth=2)
EXPANDED = BlockSpec("inverted")
# block, blocks (the paper's n), out_channels (c), stride (s)
STAGES = (
    (PLAIN, 1, 16, 1),
    (EXPANDED, 2, 24, 2),
    (EXPANDED, 3, 32, 2),
    (EXPANDED, 4, 64, 2),
    (EXPANDED, 3, 96, 1),
    (EXPANDED, 3, 160, 2),
    (EXPANDED, 1, 320, 1),
)


def mobilenet_v2(classes: int = 1000) -> Network:
    """MobileNetV2 of width 1.0; dropout as in torchvision."""
    return Network(
        in_channels=3,
        classes=classes,
        stem=Stem(out_channels=32, stride=2, activation="relu6"),
        stages=tuple(
            Stage(block=block, blocks=blocks, out_channels=width, stride=stride)
            for block, blocks, width, stride in STAGES
        ),
        head=MeanHead(width=1280, norm="batch", activation="relu6", dropout=0.2),
    )

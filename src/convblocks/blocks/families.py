"""The one table of families; a family is a line here and a file beside it."""

from torch import nn

from convblocks.blocks.bottleneck import BottleneckBlock
from convblocks.blocks.residual import ResidualBlock
from convblocks.blocks.simple import SimpleConvBlock

BLOCKS: dict[str, type[nn.Module]] = {
    "simple": SimpleConvBlock,
    "residual": ResidualBlock,
    "bottleneck": BottleneckBlock,
}

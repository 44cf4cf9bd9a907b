"""The one table of families; a family is a line here and a file beside it."""

from torch import nn

from convblocks.blocks.bottleneck import BottleneckBlock as BottleneckBlock
from convblocks.blocks.residual import ResidualBlock as ResidualBlock
from convblocks.blocks.reversible import ReversibleBlock as ReversibleBlock
from convblocks.blocks.simple import SimpleConvBlock as SimpleConvBlock

BLOCKS: dict[str, type[nn.Module]] = {
    "simple": SimpleConvBlock,
    "residual": ResidualBlock,
    "bottleneck": BottleneckBlock,
    "reversible": ReversibleBlock,
}

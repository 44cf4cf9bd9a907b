"""The families: one a file. BLOCKS is the one list of them; BlockSpec describes a block of any family."""

from convblocks.blocks.bottleneck import BottleneckBlock
from convblocks.blocks.families import BLOCKS
from convblocks.blocks.residual import ResidualBlock
from convblocks.blocks.simple import SimpleConvBlock
from convblocks.blocks.spec import BlockSpec

__all__ = ["BLOCKS", "BlockSpec", "BottleneckBlock", "ResidualBlock", "SimpleConvBlock"]

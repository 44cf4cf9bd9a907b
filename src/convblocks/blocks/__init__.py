"""The families: one a file. BLOCKS is the one list of them; BlockSpec describes a block of any family."""

from convblocks.blocks.block_spec import BlockSpec as BlockSpec
from convblocks.blocks.families import *  # noqa: F403  # BLOCKS and the class of each family

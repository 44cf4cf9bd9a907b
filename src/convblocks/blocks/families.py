"""The table of families; a family is a line here and a file beside it."""

from torch import nn

from convblocks.blocks.bottleneck import BottleneckBlock as BottleneckBlock
from convblocks.blocks.convnext import ConvNeXtBlock as ConvNeXtBlock
from convblocks.blocks.dense import DenseBlock as DenseBlock
from convblocks.blocks.inverted import InvertedResidualBlock as InvertedResidualBlock
from convblocks.blocks.preactivation import PreActivationBlock as PreActivationBlock
from convblocks.blocks.preactivation_bottleneck import (
    PreActivationBottleneckBlock as PreActivationBottleneckBlock,
)
from convblocks.blocks.repvgg import RepVGGBlock as RepVGGBlock
from convblocks.blocks.repvgg import reparameterize as reparameterize
from convblocks.blocks.residual import ResidualBlock as ResidualBlock
from convblocks.blocks.resnext import ResNeXtBlock as ResNeXtBlock
from convblocks.blocks.reversible import ReversibleBlock as ReversibleBlock
from convblocks.blocks.simple import SimpleConvBlock as SimpleConvBlock
from convblocks.blocks.wide import WideBlock as WideBlock

BLOCKS: dict[str, type[nn.Module]] = {
    "simple": SimpleConvBlock,
    "residual": ResidualBlock,
    "bottleneck": BottleneckBlock,
    "preactivation": PreActivationBlock,
    "preactivation_bottleneck": PreActivationBottleneckBlock,
    "resnext": ResNeXtBlock,
    "wide": WideBlock,
    "dense": DenseBlock,
    "inverted": InvertedResidualBlock,
    "convnext": ConvNeXtBlock,
    "repvgg": RepVGGBlock,
    "reversible": ReversibleBlock,
}

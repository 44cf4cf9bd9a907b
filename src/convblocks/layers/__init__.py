"""What blocks are made of: convolution-norm-activation, shortcuts, pools, stochastic depth, initialisation."""

from convblocks.layers.activation import ACTIVATIONS, make_activation
from convblocks.layers.bottleneck import bottleneck_depth, bottleneck_layers
from convblocks.layers.conv import ConvNormAct, NormActConv, conv_stack
from convblocks.layers.init import he_normal_
from convblocks.layers.norm import NORMS, LayerNorm, make_norm
from convblocks.layers.pool import POOLS, BlurPool, make_pool
from convblocks.layers.shortcut import SHORTCUTS, make_shortcut
from convblocks.layers.stochastic_depth import StochasticDepth

__all__ = [
    "ACTIVATIONS",
    "NORMS",
    "POOLS",
    "SHORTCUTS",
    "BlurPool",
    "ConvNormAct",
    "LayerNorm",
    "NormActConv",
    "StochasticDepth",
    "bottleneck_depth",
    "bottleneck_layers",
    "conv_stack",
    "he_normal_",
    "make_activation",
    "make_norm",
    "make_pool",
    "make_shortcut",
]

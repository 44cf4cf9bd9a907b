"""The layers of blocks: convolution-norm-activation, attention, shortcuts, pools, initialisation."""

from convblocks.layers.activation import ACTIVATIONS, make_activation
from convblocks.layers.attention_gates import ATTENTIONS, SqueezeExcite, make_attention
from convblocks.layers.bottleneck_widths import bottleneck_depth, bottleneck_layers
from convblocks.layers.branch_scale import BRANCH_SCALES, BranchScale, make_branch_scale
from convblocks.layers.conv import ConvNormAct, NormActConv, conv_stack
from convblocks.layers.init import INITIALISATIONS, he_normal_, initialise_
from convblocks.layers.layer_scale import LayerScale
from convblocks.layers.normalisation import NORMS, LayerNorm, make_norm
from convblocks.layers.pooling import POOLS, BlurPool, make_pool
from convblocks.layers.reversible_chain import reversible
from convblocks.layers.shortcut import SHORTCUTS, make_shortcut
from convblocks.layers.stochastic_depth import StochasticDepth

__all__ = [
    "ACTIVATIONS",
    "ATTENTIONS",
    "BRANCH_SCALES",
    "INITIALISATIONS",
    "NORMS",
    "POOLS",
    "SHORTCUTS",
    "BlurPool",
    "BranchScale",
    "ConvNormAct",
    "LayerNorm",
    "LayerScale",
    "NormActConv",
    "SqueezeExcite",
    "StochasticDepth",
    "bottleneck_depth",
    "bottleneck_layers",
    "conv_stack",
    "he_normal_",
    "initialise_",
    "make_activation",
    "make_attention",
    "make_branch_scale",
    "make_norm",
    "make_pool",
    "make_shortcut",
    "reversible",
]

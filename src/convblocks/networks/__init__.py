"""Networks as data: a stem, stages of equal blocks, a head. The papers' are in `zoo`: ``zoo.resnet50(classes=10)``."""

from convblocks.networks import zoo
from convblocks.networks.budget import with_budget
from convblocks.networks.dilation import dilated
from convblocks.networks.feature_maps import Features, features
from convblocks.networks.heads import ClassificationHead, GridHead, Head, MeanHead
from convblocks.networks.module import ConvNet
from convblocks.networks.network_cost import network_cost
from convblocks.networks.network_spec import Network, Stage, Stem
from convblocks.networks.segmentation import DilatedHead, UNetHead
from convblocks.networks.space import NetworkSpace, StageChoices, space_costs
from convblocks.networks.weights import load_foreign

__all__ = [
    "ClassificationHead",
    "ConvNet",
    "DilatedHead",
    "Features",
    "GridHead",
    "Head",
    "MeanHead",
    "Network",
    "NetworkSpace",
    "Stage",
    "StageChoices",
    "Stem",
    "UNetHead",
    "dilated",
    "features",
    "load_foreign",
    "network_cost",
    "space_costs",
    "with_budget",
    "zoo",
]

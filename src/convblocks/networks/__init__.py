"""Networks as data: a stem, stages of equal blocks, a head."""

from convblocks.networks.cost import network_cost
from convblocks.networks.module import ClassificationHead, ConvNet
from convblocks.networks.spec import Network, Stage, Stem

__all__ = ["ClassificationHead", "ConvNet", "Network", "Stage", "Stem", "network_cost"]

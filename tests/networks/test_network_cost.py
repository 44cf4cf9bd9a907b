"""The cost of a network from its parts."""

import pytest

from convblocks.errors import OptionError
from convblocks.networks import network_cost, with_budget
from convblocks.networks.zoo import ZOO


def test_a_size_with_its_channels_is_refused_with_the_one_without():
    network = ZOO["cifar_resnet20"]()
    message = r"^size=\(3, 64, 48\): expected the 2 spatial axes without channels, e\.g\. \(64, 48\)$"
    for ask in (
        lambda size: network_cost(network, size),
        lambda size: with_budget(network, size, macs=10**6),
    ):
        with pytest.raises(OptionError, match=message):
            ask((3, 64, 48))
        with pytest.raises(OptionError, match=r"size=\(64,\): .* e\.g\. \(64, 64\)"):
            ask((64,))

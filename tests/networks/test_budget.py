"""Widths that meet a budget, counted by a trace of the whole network."""

import pytest
import torch

from convblocks.analysis import count
from convblocks.errors import OptionError
from convblocks.networks.budget import with_budget
from convblocks.networks.zoo import ZOO


@pytest.mark.parametrize("name", ["cifar_resnet20", "resnext50_32x4d", "wrn_16_8"])
@pytest.mark.parametrize("kind", ["macs", "params"])
def test_a_network_meets_half_its_budget(name, kind):
    network, size = ZOO[name](), (32, 32)

    def spent(candidate):
        with torch.device("meta"):
            return getattr(count(candidate.build(), (3, *size)), kind)

    budget = spent(network) // 2
    found = with_budget(network, size, **{kind: budget})
    assert spent(found) == pytest.approx(budget, rel=0.03)
    assert [s.block for s in found.stages] == [s.block for s in network.stages]
    assert max(found.channels) < max(network.channels)


def test_what_cannot_be_met_is_refused():
    network = ZOO["cifar_resnet20"]()
    for given in ({}, {"macs": 1, "params": 1}):
        with pytest.raises(OptionError, match="expected one of the two"):
            with_budget(network, (32, 32), **given)
    with pytest.raises(OptionError, match="params=3: the nearest widths 1/1/1 give"):
        with_budget(network, (32, 32), params=3)

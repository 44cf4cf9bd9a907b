"""Widths that meet a budget, counted by a trace of the whole network."""

import pytest
import torch

from convblocks.analysis import count
from convblocks.blocks import BlockSpec
from convblocks.errors import OptionError
from convblocks.networks import Network, Stage, Stem, with_budget
from convblocks.networks.zoo import ZOO

NAMES = [
    "cifar_resnet20",
    "resnext50_32x4d",
    "wrn_16_8",
    "revnet38",
    "mobilenet_v2",
    "regnet_x_400mf",
    "repvgg_a0",
]


@pytest.mark.parametrize("name", NAMES)
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


@pytest.mark.parametrize("factor", [0.3, 0.45, 0.7, 1.9])
def test_maps_between_families_suit_both(factor):
    """A reversible stage splits its input in halves of four groups; neither stem nor the stage before says so."""
    network = Network(
        in_channels=3,
        classes=10,
        stem=Stem(out_channels=24),
        stages=(
            Stage(block=BlockSpec("simple", groups=3), blocks=1, out_channels=48),
            Stage(block=BlockSpec("residual"), blocks=1, out_channels=56),
            Stage(block=BlockSpec("reversible", groups=4), blocks=1, out_channels=64, stride=2),
        ),
    )
    with torch.device("meta"):
        params = count(network.build(), (3, 16, 16)).params
    found = with_budget(network, (16, 16), params=round(factor * params))
    assert found.stem.out_channels % 3 == found.channels[1] % 8 == 0
    assert found.build()(torch.zeros(1, 3, 16, 16)).shape == (1, 10)


def test_what_cannot_be_met_is_refused():
    network = ZOO["cifar_resnet20"]()
    for given in ({}, {"macs": 1, "params": 1}):
        with pytest.raises(OptionError, match="expected one of the two"):
            with_budget(network, (32, 32), **given)
    with pytest.raises(OptionError, match="params=3: the nearest widths 1/1/1 give"):
        with_budget(network, (32, 32), params=3)

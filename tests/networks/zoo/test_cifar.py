"""Networks for CIFAR have their papers' parameters."""

import pytest
import torch

from convblocks import network_cost
from convblocks.networks.zoo import ZOO, cifar_plain, cifar_resnet

MILLIONS = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7, 1202: 19.4}  # He et al. 2016, table 6


@pytest.mark.parametrize(("layers", "millions"), MILLIONS.items())
def test_cifar_resnets_have_the_paper_s_parameters_and_their_twins_the_same(layers, millions):
    cost, plain = (network_cost(make(layers), (32, 32)) for make in (cifar_resnet, cifar_plain))
    digits = 2 if layers < 100 else 1
    assert round(cost.params / 1e6, digits) == millions
    assert (plain.params, plain.macs) == (cost.params, cost.macs)


MILLIONS_BY_NAME = {  # arXiv:1605.07146, tables 4 and 5
    "cifar_preactivation164": 1.7,
    "wrn_16_8": 11.0,
    "wrn_22_8": 17.2,
    "wrn_28_10": 36.5,
    "wrn_40_1": 0.6,
    "wrn_40_2": 2.2,
    "wrn_40_4": 8.9,
}


@pytest.mark.parametrize(("name", "millions"), MILLIONS_BY_NAME.items())
def test_preactivated_networks_have_their_papers_parameters(name, millions):
    assert network_cost(ZOO[name](), (32, 32)).params / 1e6 == pytest.approx(millions, abs=0.1)


@pytest.mark.parametrize(
    ("name", "units", "widths"), [("revnet38", 3, (32, 64, 112)), ("revnet110", 9, (32, 64, 128))]
)
def test_revnets_have_the_paper_s_parameters(name, units, widths):
    """arXiv:1707.04585, table 2: 0.46 and 1.73 million."""
    convolutions, before = 3 * 32 * 9, 32
    norms = 2 * widths[-1]
    for width in widths:
        convolutions += (before * width + (4 * units - 1) * width**2) // 4 * 9
        norms += before + (4 * units - 1) * width
        before = width
    params = network_cost(ZOO[name](), (32, 32)).params
    assert params == convolutions + norms + 10 * (widths[-1] + 1)
    assert round(params / 1e6, 2) == {"revnet38": 0.46, "revnet110": 1.73}[name]


def test_the_published_10_2_million_of_resnet_1001_are_its_weights_without_the_norms_scales_and_shifts():
    with torch.device("meta"):
        module = ZOO["cifar_preactivation1001"]().build()
    weights = sum(p.numel() for p in module.parameters() if p.ndim > 1)
    assert round(weights / 1e6, 1) == 10.2
    assert sum(p.numel() for p in module.parameters()) == 10_327_706

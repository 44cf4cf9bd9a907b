"""RepVGG has its paper's parameters and MACs."""

import pytest
import torch

from convblocks import network_cost
from convblocks.blocks import reparameterize
from convblocks.networks.zoo import ZOO


@pytest.mark.parametrize(  # arXiv:2101.03697, table 4
    ("name", "millions", "gmacs"),
    [
        ("repvgg_a0", 8.30, 1.4),
        ("repvgg_a1", 12.78, 2.4),
        ("repvgg_a2", 25.49, 5.1),
        ("repvgg_b0", 14.33, 3.1),
    ],
)
def test_a_deployed_repvgg_has_the_paper_s_parameters_and_macs(name, millions, gmacs):
    deployed = ZOO[name]().with_blocks("repvgg", reparameterized=True)
    cost = network_cost(deployed, (224, 224))
    assert cost.params / 1e6 == pytest.approx(millions, abs=0.011)
    assert cost.macs / 1e9 == pytest.approx(gmacs, abs=0.05)
    with torch.device("meta"):
        turned, built = reparameterize(ZOO[name]().build()), deployed.build()
    assert {k: v.shape for k, v in turned.state_dict().items()} == {
        k: v.shape for k, v in built.state_dict().items()
    }

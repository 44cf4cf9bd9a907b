"""He's initialisation: weights of variance 2 / fan_out, biases 0."""

import pytest
import torch
from torch import nn

from convblocks.layers.init.he import he_normal_


@pytest.mark.parametrize("groups", [1, 4])
def test_weights_have_the_paper_s_variance(groups):
    torch.manual_seed(0)
    conv = nn.Conv2d(64, 128, 3, groups=groups)
    he_normal_(nn.Sequential(conv))
    # PyTorch counts a kernel's outputs over all groups
    assert conv.weight.var().item() == pytest.approx(2 / (128 * 9), rel=0.05)
    assert not conv.bias.any()


def test_linear_layers_and_norms_keep_pytorch_s_start():
    module = nn.Sequential(nn.BatchNorm2d(3), nn.Linear(4, 5))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    he_normal_(module)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())

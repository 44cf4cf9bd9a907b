"""Delta-orthogonal initialisation keeps the norm of signals and gradients."""

import pytest
import torch
from torch import nn

from convblocks import BLOCKS
from convblocks.blocks import SimpleConvBlock
from convblocks.blocks.block_spec import block_options
from convblocks.errors import OptionError
from convblocks.layers.init import initialise_

PLAIN = {"norm": "none", "activation": "tanh"}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 4])
def test_a_delta_orthogonal_convolution_keeps_the_norm_of_any_input(dims, groups):
    block = SimpleConvBlock(8, 12, depth=1, kernel_size=5, groups=groups, padding_mode="circular", dims=dims)
    block.layers[0].norm = block.layers[0].activation = nn.Identity()
    initialise_(block, "delta_orthogonal")
    x = torch.randn(3, 8, *(7,) * dims)
    torch.testing.assert_close(block(x).flatten(1).norm(dim=1), x.flatten(1).norm(dim=1))
    weight = block.layers[0].conv.weight
    assert (weight != 0).sum() == 12 * 8 / groups  # the centre alone
    moved = torch.autograd.functional.jvp(block, x, torch.ones_like(x))[1]
    torch.testing.assert_close(moved.norm(), torch.ones_like(x).norm())


def test_relu_takes_the_gain_that_its_lost_half_needs():
    block = SimpleConvBlock(256, 256, depth=1, norm="none")
    initialise_(block, "delta_orthogonal")
    x = torch.randn(4, 256, 6, 6)
    assert (block(x).square().mean() / x.square().mean()).item() == pytest.approx(1, rel=0.03)
    centre = block.layers[0].conv.weight[:, :, 1, 1]
    torch.testing.assert_close(centre.T @ centre, 2 * torch.eye(256), rtol=0, atol=1e-4)


def gradient_norms(layers, channels):
    """‖∂loss/∂weight‖ of each convolution, and ‖∂loss/∂its output‖ of the first over the last, by autograd."""
    maps = [torch.randn(4, 1, 6, 6)]
    for layer in layers:
        maps.append(layer(maps[-1]))
    scores = nn.Linear(channels, 10)(maps[-1].mean((2, 3)))
    loss = nn.functional.cross_entropy(scores, torch.arange(4))
    weights = [layer.conv.weight for layer in layers]
    *of_weights, first, last = torch.autograd.grad(loss, [*weights, maps[1], maps[-1]])
    return [g.norm().item() for g in of_weights], first.norm().item() / last.norm().item()


def test_a_thousand_plain_layers_keep_the_gradient_with_delta_orthogonal_tanh_and_lose_it_with_he_relu():
    tanh = SimpleConvBlock(1, 32, depth=1000, **PLAIN)
    initialise_(tanh, "delta_orthogonal")
    norms, through = gradient_norms(tanh.layers, 32)
    assert len(norms) == 1000
    assert max(norms) / min(norms) < 10
    assert 0.1 < through < 10
    relu = SimpleConvBlock(1, 32, depth=1000, norm="none")
    initialise_(relu, "he_normal")
    norms, through = gradient_norms(relu.layers, 32)
    assert not 1e-3 < norms[0] / max(norms[-1], 1e-45) < 1e3
    assert not 1e-3 < through < 1e3


@pytest.mark.parametrize("family", BLOCKS)
def test_delta_orthogonal_takes_families_that_stand_in_one_row_and_no_others(family):
    """Even where norms and channels suit it: expansion 1, grown channels, branches made one."""
    known = block_options(family)
    wanted = {**PLAIN, "expansion": 1, "reparameterized": True, "groups": 1}
    options = {name: value for name, value in wanted.items() if name in known}
    block = nn.Sequential(BLOCKS[family](8, 8, **options))
    if family in ("simple", "repvgg"):
        initialise_(block, "delta_orthogonal")
        return
    expected = "without norms, and" if family == "convnext" else "plain stacks, and 0 joins what it keeps"
    with pytest.raises(OptionError, match=expected):
        initialise_(block, "delta_orthogonal")

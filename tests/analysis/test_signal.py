"""Gradient norms against autograd asked for each weight."""

import pytest
import torch
from torch import nn

from convblocks import ResidualBlock
from convblocks.analysis import gradient_norms


class Backwards(nn.Module):
    """Registers its layers in another order than it runs them; one is never run."""

    def __init__(self):
        super().__init__()
        self.last = nn.Conv2d(4, 3, 3)
        self.unused = nn.Conv2d(4, 4, 3)
        self.first = ResidualBlock(2, 4)
        self.downsample = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.first(x)
        return self.last(x + self.downsample(x)).mean((2, 3))


@pytest.fixture
def example():
    torch.manual_seed(0)
    return Backwards(), torch.randn(6, 2, 5, 5), torch.tensor([0, 1, 2, 2, 1, 0])


def test_norms_are_autograd_s_on_the_main_path_in_order_of_execution(example):
    module, x, y = example
    found = gradient_norms(module, x, y)
    assert list(found) == ["first.main.0.conv", "first.main.1.conv", "last"]
    loss = -module(x).log_softmax(1)[torch.arange(6), y].mean()
    for name, norm in found.items():
        (gradient,) = torch.autograd.grad(loss, module.get_submodule(name).weight, retain_graph=True)
        assert norm == pytest.approx(gradient.square().sum().sqrt().item(), rel=1e-4)
        assert norm > 0


def test_gradients_before_do_not_count_and_none_stay(example):
    module, x, y = example
    expected = gradient_norms(module, x, y)
    assert all(p.grad is None for p in module.parameters())
    for p in module.parameters():
        p.grad = torch.ones_like(p)
    assert gradient_norms(module, x, y) == pytest.approx(expected, rel=1e-5)
    assert all(p.grad is None for p in module.parameters())
    assert not any(layer._forward_hooks for layer in module.modules())


def test_a_layer_without_a_gradient_has_norm_0(example):
    module, x, y = example
    module.last.weight.requires_grad_(False)
    assert gradient_norms(module, x, y)["last"] == 0


@pytest.mark.parametrize("dims", [1, 3])
def test_signals_and_volumes(dims):
    block = ResidualBlock(2, 4, dims=dims)
    module = nn.Sequential(block, nn.Flatten(), nn.LazyLinear(3))
    x, y = torch.randn(2, 2, *(4,) * dims), torch.tensor([0, 2])
    module(x)
    assert list(gradient_norms(module, x, y)) == ["0.main.0.conv", "0.main.1.conv"]

"""Correlations of gradients against the arc-cosine kernels of infinitely wide networks."""

from math import acos, pi, sqrt

import pytest
import torch
from torch import nn

from convblocks import ResidualBlock, SimpleConvBlock
from convblocks.errors import OptionError
from convblocks.layers import he_normal_
from convblocks.signal import shattered_gradients, signal


def wide_correlation(rho, depth):
    """Of the input gradients at two inputs whose cosine is `rho`, behind `depth` He-normal ReLU layers.

    Cho & Saul 2009: both are active in 1 − θ / π of the units where either is, and the next cosine is κ₁(ρ).
    """
    product = 1.0
    for _ in range(depth):
        product *= 1 - acos(rho) / pi
        rho = (sqrt(1 - rho**2) + rho * (pi - acos(rho))) / pi
    return product


@pytest.mark.parametrize("depth", [1, 4])
def test_wide_relu_networks_follow_the_arc_cosine_kernels(depth):
    torch.manual_seed(0)
    width = 3000
    layers = []
    for _ in range(depth):
        layers += [nn.Linear(width, width, bias=False), nn.ReLU()]
        nn.init.kaiming_normal_(layers[-2].weight, nonlinearity="relu")
    a, b = nn.functional.normalize(torch.randn(2, width), dim=1) * sqrt(width)
    b = nn.functional.normalize(b - (a @ b) / (a @ a) * a, dim=0) * sqrt(width)  # at a right angle
    found = shattered_gradients(nn.Sequential(*layers), torch.stack([a, b]), points=3)
    assert found.distances == (0.5, 1.0)
    assert found.correlations[1] == pytest.approx(wide_correlation(0.0, depth), abs=0.03)
    assert found.neighbour == pytest.approx(wide_correlation(sqrt(0.5), depth), abs=0.03)


def test_a_linear_network_has_one_gradient_everywhere():
    found = shattered_gradients(nn.Conv1d(2, 3, 3), torch.randn(4, 2, 9))
    assert found.correlations == pytest.approx([1.0] * 32)
    assert found.half_distance is None
    assert found.white_noise == pytest.approx(18**-0.5)
    assert found.pairs == 2


class Wave(nn.Module):
    """Σ cos(turns · x): the gradient − turns · sin(turns · x) turns over and over along the line."""

    def forward(self, x):
        return torch.cos(2 * torch.pi * 8 * x).sum(1, keepdim=True)


def test_a_wave_is_correlated_as_its_sines_are():
    found = shattered_gradients(Wave(), torch.tensor([[0.01], [1.01]]), points=33)
    # 4 points a turn, at the same sign for two in a row: one pair of neighbours of the same sign, one of the other
    assert found.correlations[3] == pytest.approx(1.0)
    assert found.correlations[1] == pytest.approx(-1.0)
    assert found.half_distance == 1 / 32


def network(block):
    torch.manual_seed(0)
    module = nn.Sequential(block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))
    he_normal_(module)
    return module


def test_a_deep_plain_stack_shatters_and_a_residual_one_does_not():
    x = torch.randn(8, 3, 8, 8)
    plain = signal(network(SimpleConvBlock(3, 16, depth=40)), x)
    blocks = [ResidualBlock(3 if i == 0 else 16, 16) for i in range(20)]
    residual = signal(network(nn.Sequential(*blocks)), x)
    assert abs(plain.shattering.neighbour) < 2 * plain.shattering.white_noise
    assert "shattered gradient" in [s.kind for s in plain.symptoms]
    assert residual.shattering.neighbour > 0.2
    assert "shattered gradient" not in [s.kind for s in residual.symptoms]


def test_fresh_batch_norms_take_the_batch_s_statistics_and_trained_ones_keep_theirs():
    torch.manual_seed(0)
    fresh = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8))
    x = 5 + torch.randn(10, 6)
    by_hand = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8))
    by_hand.load_state_dict(fresh.state_dict())
    hidden = by_hand[0](x).detach()
    by_hand[1].running_mean.copy_(hidden.mean(0))
    by_hand[1].running_var.copy_(hidden.var(0))
    by_hand[1].num_batches_tracked.fill_(1)
    assert shattered_gradients(fresh, x).correlations == pytest.approx(
        shattered_gradients(by_hand, x).correlations
    )
    assert int(fresh[1].num_batches_tracked) == 0


@pytest.mark.parametrize(("n", "points"), [(1, 33), (2, 2)])
def test_one_example_or_two_points_make_no_line(n, points):
    with pytest.raises(OptionError, match="expected at least"):
        shattered_gradients(nn.Linear(3, 2), torch.zeros(n, 3), points=points)

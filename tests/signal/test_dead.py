"""Layers called dead are those that plain SGD does not move; a branch that starts at zero is none of them."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from convblocks import ResidualBlock, advise, load_target
from convblocks.signal import signal


class Gated(nn.Module):
    """x + gate · branch(x), as ReZero (Bachlechner et al. 2021, arXiv:2003.04887)."""

    def __init__(self, branch, gate=0.0, learns=True):
        super().__init__()
        self.branch, self.gate = branch, nn.Parameter(torch.tensor(gate), requires_grad=learns)

    def forward(self, x):
        return x + self.gate * self.branch(x)


def conv(bias=0.0, weight=None):
    layer = nn.Conv2d(4, 4, 3, padding=1)
    nn.init.constant_(layer.bias, bias)
    if weight is not None:
        nn.init.constant_(layer.weight, weight)
    return layer


def branch(bias=0.0):
    return nn.Sequential(conv(bias), nn.ReLU(), conv(0.1))


def classifier(*layers, zero=True):
    head = nn.Linear(4, 3)
    if zero:
        nn.init.zeros_(head.weight)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


CASES = {
    "a norm's weight": lambda: nn.Sequential(*(ResidualBlock(4, 4, zero_init=True) for _ in range(3))),
    "a scalar": lambda: nn.Sequential(*(Gated(branch()) for _ in range(3))),
    "a scalar that is frozen": lambda: nn.Sequential(Gated(branch()), Gated(branch(), learns=False)),
    "one scalar behind another": lambda: Gated(Gated(conv())),
    "two scalars in a row": lambda: nn.Sequential(
        conv(), Gated(nn.Sequential(nn.Tanh(), Gated(conv(), 0.0)))
    ),
    "the last convolution": lambda: Gated(nn.Sequential(conv(), nn.ReLU(), conv(weight=0.0)), 1.0),
    "and the head, as Fixup": lambda: classifier(
        Gated(nn.Sequential(conv(), nn.ReLU(), conv(weight=0.0)), 1.0)
    ),
    "a scalar, behind a dead activation": lambda: Gated(branch(bias=-1e4)),
    "a convolution before ReLU": lambda: nn.Sequential(
        conv(), nn.ReLU(), conv(weight=0.0), nn.ReLU(), conv()
    ),
    "a convolution before tanh": lambda: nn.Sequential(
        conv(), nn.Tanh(), conv(weight=0.0), nn.Tanh(), conv()
    ),
}


def unmoved(module, x, steps=5):
    """Weight layers whose weights are after some steps of SGD, by torch's optimizer, what they were."""
    copy, x = deepcopy(module).train().double(), x.double()  # whose rounding hides no small step
    learning = [p for p in copy.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.01)
    with torch.no_grad():
        goal = torch.randn_like(copy(x))
    for _ in range(steps):
        optimizer.zero_grad()
        (copy(x) - goal).square().mean().backward()
        optimizer.step()
    before = dict(module.named_modules())
    return {
        name
        for name, layer in copy.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
        and torch.equal(layer.weight, before[name].weight.double())
    }


def dead(module, x):
    """Names of the layers told, three at most."""
    symptoms = signal(module, x, shattering=False).symptoms
    told = [symptom.evidence.split(" at ")[1] for symptom in symptoms if symptom.kind == "dead"]
    return set(told[0].split(", ")) if told else set()


@pytest.mark.parametrize("case", CASES)
def test_layers_told_to_be_dead_are_those_that_sgd_does_not_move(case):
    torch.manual_seed(0)
    module = CASES[case]()
    x = torch.randn(16, 4, 8, 8)
    state = deepcopy(module.state_dict())
    told, idle = dead(module, x), unmoved(module, x)
    assert bool(told) == bool(idle)
    assert told <= idle  # which has layers too that run, on zeros only
    assert all(torch.equal(t, state[name]) for name, t in module.state_dict().items())
    findings = advise(module, (4, 8, 8), select="CB403")
    assert [f.severity for f in findings] == ["error"] * bool(idle)


def test_timm_starts_its_residual_networks_as_shortcuts():
    torch.manual_seed(0)
    module = load_target("timm:resnet18").module
    assert not module.layer1[0].bn2.weight.any()
    x = torch.randn(4, 3, 32, 32)
    assert dead(module, x) == set()
    nn.init.constant_(module.layer1[0].bn1.bias, -1e4)  # no activation is left in that branch
    assert dead(module, x) == {"layer1.0.conv1", "layer1.0.conv2"}

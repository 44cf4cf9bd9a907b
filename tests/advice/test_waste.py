"""CB104 and CB105 against torch itself: what is called dead has no gradient, and what is drawn is never the same."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import advise


def found(module, *sizes, rule):
    return advise(module, *sizes, select=[rule])


def places(module, *sizes, rule):
    return [finding.place for finding in found(module, *sizes, rule=rule)]


class Net(nn.Module):
    """A forward of the test's own over named parts."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.run = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.run(self, x)


def conv(given=4, out=4, kernel=3, **options):
    return nn.Conv2d(given, out, kernel, **{"padding": kernel // 2, **options})


class Parts(nn.Module):
    """A branch that goes nowhere, a layer that is forgotten, one with an unused weight, a head for training only."""

    def __init__(self):
        super().__init__()
        self.body, self.forgotten = conv(), nn.Sequential(conv(), nn.BatchNorm2d(4))
        self.lost = nn.Sequential(conv(4, 8), nn.ReLU(), conv(8, 2))
        self.head, self.early = nn.Linear(4, 3), conv()
        self.scale, self.unused = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(5))

    def forward(self, x):
        x = self.body(x) * self.scale
        self.lost(x)
        early = self.early(x)
        if self.training:
            return x, early, self.head(x.mean((2, 3)))
        return x


def test_dead_parts_are_those_without_a_gradient_in_training():
    module = Parts()
    findings = {f.place: f.figures for f in found(module, (4, 8, 8), rule="CB104")}
    outputs = module(torch.randn(2, 4, 8, 8))
    sum(out.sum() for out in outputs).backward()
    idle = {name for name, p in module.named_parameters() if p.grad is None}
    assert {name for name in idle if name.startswith(tuple(findings))} == idle
    assert not any(
        name.startswith(tuple(findings)) for name, p in module.named_parameters() if p.grad is not None
    )
    assert findings.keys() == {"lost", "forgotten", "unused"}
    assert findings["lost"] == {"params": (4 * 9 + 1) * 8 + (8 * 9 + 1) * 2, "macs": 64 * 9 * (4 * 8 + 8 * 2)}
    assert findings["forgotten"] == {"params": (4 * 9 + 1) * 4 + 8}


def test_what_is_written_in_place_is_not_dead():
    class Gram(nn.Module):
        def forward(self, x):
            return x.flatten(2) @ x.flatten(2).transpose(1, 2)

    def run(m, x):
        out = torch.zeros_like(x)
        out.view(-1).add_(m.gram(x).mean())
        return out

    assert places(Net(run, gram=Gram()), (4, 8, 8), rule="CB104") == []
    forgotten = Net(lambda m, x: (m.gram(x), x.relu())[1], gram=Gram())
    assert places(forgotten, (4, 8, 8), rule="CB104") == ["gram"]


DRAWN = (
    torch.randn_like,
    torch.rand_like,
    lambda x: torch.randint_like(x, 5),
    lambda x: torch.bernoulli(x.sigmoid()),
    lambda x: torch.normal(x, 1.0),
    lambda x: torch.poisson(x.exp()),
    lambda x: torch.empty_like(x).normal_(),
    lambda x: F.gumbel_softmax(x, dim=1),
    lambda x: torch.distributions.Normal(x, 1.0, validate_args=False).rsample(),
)


class Twice(nn.Module):
    def __init__(self, again):
        super().__init__()
        self.conv, self.other, self.again = conv(bias=False), conv(bias=False), again

    def forward(self, x):
        return self.again(self, x)


@pytest.mark.parametrize(
    ("again", "expected"),
    [
        (lambda m, x: m.conv(x) + m.conv(x), 1),
        (lambda m, x: m.other(m.conv(x)) + m.other(m.conv(x)), 2),
        (lambda m, x: m.conv(F.relu(x)) + m.conv(F.relu(x)), 1),
        (lambda m, x: m.conv(x) + m.other(x), 0),
        (lambda m, x: m.conv(m.conv(x)), 0),
        (lambda m, x: m.conv(F.dropout(x)) + m.conv(F.dropout(x)), 0),
        (lambda m, x: m.conv(x) + m.conv(x.clone().mul_(2)), 0),
        (lambda m, x: m.conv(x + torch.zeros_like(x)) + m.conv(x + torch.zeros_like(x)), 1),
        *((lambda m, x, draw=draw: m.conv(x + draw(x)) + m.conv(x + draw(x)), 0) for draw in DRAWN),
    ],
)
def test_the_same_layer_of_the_same_tensor(again, expected):
    assert len(found(Twice(again), (4, 8, 8), rule="CB105")) == expected


def test_a_tensor_written_in_place_is_another():
    def again(m, x):
        y = x.clone()
        first = m.conv(y)
        y.view(-1).mul_(2)
        return first + m.conv(y)

    assert found(Twice(again), (4, 8, 8), rule="CB105") == ()

"""CB1xx: each rule against torch itself: what it calls idle changes nothing, and what it does not name does."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import advise
from tests.analysis.advice.hand_written import BottleneckBlock, ResidualBlock


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


# What stands behind a convolution with a bias, and whether the bias then does nothing.
BEHIND = {
    "batch norm": (nn.BatchNorm2d(4), True),
    "instance norm": (nn.InstanceNorm2d(4), True),
    "a group norm of one channel a group": (nn.GroupNorm(4, 4), True),
    "a group norm of two": (nn.GroupNorm(2, 4), False),
    "layer norm": (nn.GroupNorm(1, 4), False),
    "max pool, then norm": (nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.BatchNorm2d(4)), True),
    "unpadded mean, then norm": (nn.Sequential(nn.AvgPool2d(2), nn.BatchNorm2d(4)), True),
    "padded mean, then norm": (nn.Sequential(nn.AvgPool2d(3, 2, 1), nn.BatchNorm2d(4)), False),
    "activation, then norm": (nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4)), False),
    "dropout, then norm": (nn.Sequential(nn.Dropout(0.5), nn.BatchNorm2d(4)), False),
    "nothing": (nn.Identity(), False),
}


@pytest.mark.parametrize("case", BEHIND)
def test_a_bias_is_idle_where_another_changes_no_output_in_training(case):
    behind, idle = BEHIND[case]
    module = nn.Sequential(conv(), behind)
    x = torch.randn(3, 4, 9, 9)
    torch.manual_seed(0)
    before = module(x)
    with torch.no_grad():
        module[0].bias += torch.randn(4) * 3
    torch.manual_seed(0)
    assert torch.allclose(module(x), before, atol=1e-4) == idle
    assert places(module, (4, 9, 9), rule="CB101") == (["0"] if idle else [])


def test_a_bias_that_something_else_reads_is_not_idle():
    both = Net(lambda m, x: (lambda y: m.norm(y) + y)(m.conv(x)), conv=conv(), norm=nn.BatchNorm2d(4))
    assert places(both, (4, 8, 8), rule="CB101") == []
    given_out = Net(lambda m, x: (lambda y: (m.norm(y), y))(m.conv(x)), conv=conv(), norm=nn.BatchNorm2d(4))
    assert places(given_out, (4, 8, 8), rule="CB101") == []


def plus(beside):
    """A convolution with a norm, and something else that reads its bias."""
    return Net(
        lambda m, x: m.norm(m.conv(x)) + beside(m, x),
        conv=conv(),
        other=conv(),
        norm=nn.BatchNorm2d(4),
        norm2=nn.BatchNorm2d(4),
    )


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        (lambda m, x: F.conv2d(x, m.other.weight, m.conv.bias, padding=1), []),
        (lambda m, x: m.conv.bias[:, None, None] * x, []),
        (lambda m, x: m.norm2(F.conv2d(x, m.other.weight, m.conv.bias, padding=1)), ["", "conv"]),
        (lambda m, x: m.norm2(m.conv(x)), ["conv"]),
    ],
)
def test_a_bias_that_another_op_reads_too_is_idle_if_it_is_idle_there(beside, expected):
    module = plus(beside)
    x = torch.randn(2, 4, 8, 8)
    before = module(x)
    with torch.no_grad():
        module.conv.bias += torch.randn(4) * 3
    assert torch.allclose(module(x), before, atol=1e-4) == bool(expected)
    assert sorted(set(places(module, (4, 8, 8), rule="CB101"))) == expected


def test_linear_layers_and_other_dimensions():
    assert places(nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5)), (4,), rule="CB101") == ["0"]
    over_rows = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(6))  # whose channels are the rows
    assert places(over_rows, (6, 4), rule="CB101") == []
    volume = nn.Sequential(nn.ConvTranspose3d(2, 3, 2), nn.BatchNorm3d(3))
    (finding,) = found(volume, (2, 4, 4, 4), rule="CB101")
    assert finding.figures["params"] == 3


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([nn.Dropout(0.25), nn.BatchNorm2d(4)], [("0", "warning")]),
        ([nn.Dropout2d(0.25), nn.ReLU(), nn.BatchNorm2d(4)], [("0", "warning")]),
        ([nn.Dropout(0.25), conv(), nn.BatchNorm2d(4)], [("0", "note")]),
        ([nn.Dropout(0.25), conv(), conv(), nn.BatchNorm2d(4)], []),
        ([nn.Dropout(0.0), nn.BatchNorm2d(4)], []),
        ([nn.BatchNorm2d(4), nn.Dropout(0.25)], []),
        ([nn.Dropout(0.25), nn.GroupNorm(2, 4)], []),  # which has no memory of training
        ([nn.AlphaDropout(0.25), nn.BatchNorm2d(4)], []),  # which keeps the variance
    ],
)
def test_dropout_before_a_batch_norm(layers, expected):
    findings = found(nn.Sequential(*layers), (4, 8, 8), rule="CB102")
    assert [(f.place, f.severity) for f in findings] == expected


def test_dropout_changes_the_mean_square_by_the_factor_told():
    module = nn.Sequential(nn.Dropout(0.25), nn.BatchNorm2d(4))
    (finding,) = found(module, (4, 8, 8), rule="CB102")
    x = torch.randn(64, 4, 32, 32)
    measured = module[0](x).square().mean() / x.square().mean()
    assert finding.figures["mean_square_ratio"] == pytest.approx(float(measured), rel=0.02)


def norms_left(module):
    """By torch.fx, which folds a batch norm into the convolution before it wherever it can."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import uses what torch deprecates
        from torch.fx.experimental.optimization import fuse
    return sum(isinstance(m, nn.BatchNorm2d) for m in fuse(module.eval()).modules())


class PreActivation(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(4), conv()
        self.bn2, self.conv2 = nn.BatchNorm2d(4), conv()

    def forward(self, x):
        out = self.conv1(F.relu(self.bn1(x)))
        return x + self.conv2(F.relu(self.bn2(out)))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (ResidualBlock(4, 4), []),
        (BottleneckBlock(4, 8, stride=2), []),
        (PreActivation(), ["bn1"]),
        (nn.Sequential(conv(), nn.ReLU(), nn.BatchNorm2d(4)), ["2"]),
        (nn.Sequential(conv(), nn.MaxPool2d(2), nn.BatchNorm2d(4)), ["2"]),
    ],
)
def test_norms_that_cannot_fold_are_those_that_fx_leaves(module, expected):
    assert places(module, (4, 8, 8), rule="CB103") == expected
    assert norms_left(module) == len(expected)


def test_a_norm_whose_convolution_is_read_elsewhere_cannot_fold():
    module = Net(lambda m, x: (lambda y: m.norm(y) + y)(m.conv(x)), conv=conv(), norm=nn.BatchNorm2d(4))
    (finding,) = found(module, (4, 8, 8), rule="CB103")
    assert "the output of conv without it" in finding.message
    assert finding.figures["bytes"] == 2 * 4 * 4 * 8 * 8


def test_a_norm_folds_forward_only_where_nothing_is_padded():
    for kernel, expected in ((1, []), (3, ["1"])):
        module = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4), conv(kernel=kernel))
        assert places(module, (4, 8, 8), rule="CB103") == expected


def test_dropout_does_not_hinder_folding():
    head = nn.Sequential(nn.ReLU(), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 2))
    assert places(head, (4,), rule="CB103") == []
    assert places(nn.Sequential(conv(), nn.Dropout(), nn.BatchNorm2d(4)), (4, 8, 8), rule="CB103") == []


def test_statistics_of_the_batch_do_not_fold():
    module = nn.Sequential(conv(), nn.BatchNorm2d(4, track_running_stats=False))
    assert places(module, (4, 8, 8), rule="CB103") == ["1"]


class RepVGG(nn.Module):
    """Ding et al. 2021, arXiv:2101.03697, figure 4: all three are one convolution at inference."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Sequential(conv(bias=False), nn.BatchNorm2d(4))
        self.narrow = nn.Sequential(conv(kernel=1, bias=False), nn.BatchNorm2d(4))
        self.identity = nn.BatchNorm2d(4)

    def forward(self, x):
        return F.relu(self.wide(x) + self.narrow(x) + self.identity(x))


def test_a_norm_added_to_a_convolution_of_its_input_folds_into_it():
    assert places(nn.Sequential(nn.ReLU(), RepVGG()), (4, 8, 8), rule="CB103") == []
    alone = Net(lambda m, x: m.norm(x) + m.conv(F.relu(x)), norm=nn.BatchNorm2d(4), conv=conv())
    assert places(nn.Sequential(nn.ReLU(), alone), (4, 8, 8), rule="CB103") == ["1.norm"]
    bent = Net(lambda m, x: m.norm(x).relu() + m.conv(x), norm=nn.BatchNorm2d(4), conv=conv())
    assert places(nn.Sequential(nn.ReLU(), bent), (4, 8, 8), rule="CB103") == ["1.norm"]


def test_rows_laid_under_each_other_keep_their_channels():
    module = Net(
        lambda m, x: m.norm(m.linear(x).flatten(0, 1)), linear=nn.Linear(4, 6), norm=nn.BatchNorm1d(6)
    )
    assert places(module, (5, 4), rule="CB103") == []
    assert places(module, (5, 4), rule="CB101") == ["linear"]
    module.run = lambda m, x: (lambda y: m.norm(y.flatten(0, 1)).reshape_as(y))(
        m.linear(x)
    )  # as LeViT has it
    assert places(module, (5, 4), rule="CB103") == []
    assert places(module, (5, 4), rule="CB101") == ["linear"]
    x = torch.randn(2, 5, 4)
    before = module(x)
    nn.init.normal_(module.linear.bias)
    assert torch.allclose(module(x), before, atol=1e-5)
    columns = Net(lambda m, x: m.norm(m.conv(x).flatten(0, 2)), conv=conv(), norm=nn.BatchNorm1d(8))
    assert places(columns, (4, 8, 8), rule="CB101") == []
    assert places(columns, (4, 8, 8), rule="CB103") == ["norm"]


def test_a_norm_of_a_weight_is_not_one_of_the_map():
    def standardized(m, x):
        weight = F.batch_norm(m.conv.weight.reshape(1, 4, -1), None, None, training=True).reshape(4, 4, 3, 3)
        return F.conv2d(x, weight, m.conv.bias, padding=1)

    assert places(Net(standardized, conv=conv()), (4, 8, 8), rule="CB103") == []


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

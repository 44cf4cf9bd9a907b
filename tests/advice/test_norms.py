"""CB101–CB103 against torch itself: what they call idle changes nothing, and what they do not name does."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.advice.hand_written import BottleneckBlock, ResidualBlock
from tests.advice.test_waste import Net, conv, found, places

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

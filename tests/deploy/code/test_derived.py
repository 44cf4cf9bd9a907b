"""Constructor parameters that follow from others, and what must not be taken for one."""

import pytest
import torch
from torch import nn

from convblocks import BlockSpec, Network, Stage, Stem
from convblocks.deploy.code import module_code
from convblocks.deploy.code.derived import condition, derive
from convblocks.deploy.code.variables import ABSENT, Parameters, Variable
from tests.deploy.code.printed import made


@pytest.mark.parametrize(
    ("family", "options", "stride"),
    [
        ("inverted", {}, 3),
        ("inverted", {"kernel_size": 5}, 5),
        ("bottleneck", {"groups": 1}, 3),
        ("bottleneck", {}, (3, 3)),
        ("resnext", {"groups": 1}, 3),
    ],
)
def test_a_kernel_as_wide_as_the_stride_is_no_window_beside_the_next(family, options, stride):
    block = BlockSpec(family, **options).build(8, 16, stride).eval()
    theirs = made(module_code(block, (8, 12, 12))).eval()
    theirs.load_state_dict(block.state_dict())
    x = torch.randn(2, 8, 12, 12)
    assert torch.equal(theirs(x), block(x))


def test_a_network_with_a_kernel_as_wide_as_a_stride():
    stage = Stage(block=BlockSpec("inverted"), blocks=1, out_channels=8, stride=3)
    network = Network(in_channels=3, classes=5, stem=Stem(out_channels=8), stages=(stage,)).build()
    assert "kernel_size // 2" in module_code(network, (3, 12, 12))


def test_patches_stand_side_by_side():
    """A downsampling whose windows do not overlap says its stride once."""
    places = [BlockSpec("convnext").build(8, 16, stride) for stride in (2, 3)]
    assert "nn.Conv2d(in_channels, out_channels, stride, stride=stride)" in module_code(
        places[0], (8, 12, 12), alike=places[1:]
    )


class Slices(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return nn.functional.max_pool2d(x, 1, self.stride)


class SometimesSliced(nn.Module):
    def __init__(self, stride, sliced):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1, stride=stride)
        self.slices = Slices((stride, stride)) if sliced else nn.Identity()

    def forward(self, x):
        return self.conv(self.slices(x))


def test_a_part_that_the_stride_does_not_tell_has_a_parameter_of_its_own():
    network = nn.Sequential(*(SometimesSliced(s, sliced) for s, sliced in ((2, True), (2, False), (3, True))))
    theirs = made(module_code(network, (2, 99, 99)))
    theirs.load_state_dict(network.state_dict())
    x = torch.randn(1, 2, 99, 99)
    assert torch.equal(theirs(x), network(x))


def variable(name, argument, values):
    return Variable(values, [("part", argument)], name)


@pytest.mark.parametrize(
    ("name", "argument", "values", "expression"),
    [
        ("hidden_channels", "out_channels", [4, 8], "out_channels // 4"),
        ("hidden_channels", "out_channels", [32, 64], "2 * out_channels"),
        ("hidden_channels", "out_channels", [4, 9], ""),
        ("padding", "padding", [1, 2], "kernel_size // 2"),
        ("padding", "padding", [1, 1], ""),
    ],
)
def test_widths_and_paddings_follow_from_others(name, argument, values, expression):
    derived = variable(name, argument, values)
    derive(
        Parameters(
            [
                variable("out_channels", "out_channels", [16, 32]),
                variable("kernel_size", "kernel_size", [3, 5]),
                derived,
            ]
        )
    )
    assert derived.derived == expression


@pytest.mark.parametrize(
    ("present", "test"),
    [
        ([False, True, True], "stride != 1 or in_channels != out_channels"),
        ([False, True, False], "stride != 1"),
        ([False, False, True], "in_channels != out_channels"),
        ([True, True, False], "pool"),
    ],
)
def test_a_part_is_there_by_the_shape_or_by_a_parameter(present, test):
    parameters = Parameters(
        [
            variable("in_channels", "in_channels", [8, 8, 8]),
            variable("out_channels", "out_channels", [8, 8, 16]),
            variable("stride", "stride", [1, 2, 1]),
        ]
    )
    assert condition(parameters, "pool", present) == test
    assert [v.name for v in parameters.variables[3:]] == (["pool"] if test == "pool" else [])


def test_a_part_with_a_value_of_its_own_is_there_if_that_is_given():
    parameters = Parameters([variable("rate", "p", [0.1, ABSENT])])
    assert condition(parameters, "dropout", [True, False]) == "rate is not None"

"""BlockSpec: a block of any family as a value."""

import pickle

import pytest
import torch
from torch import nn

from convblocks import BlockSpec, Network, ResidualBlock, Stage, Stem
from convblocks.blocks.block_spec import block_options
from convblocks.errors import SpecError


class PlainBlock(nn.Module):
    """A user's own family."""

    def __init__(self, in_channels, out_channels, *, stride=1, depth=1, wide=False):
        super().__init__()
        layers = [
            nn.Conv2d(out_channels if i else in_channels, out_channels, 3, 1 if i else stride, 1)
            for i in range(depth)
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x).relu()


class FlatBlock(nn.Conv1d):
    """Of 32 groups, for signals alone."""

    def __init__(self, in_channels, out_channels, *, stride=1, dims=1):
        assert dims == 1
        super().__init__(in_channels, out_channels, 3, stride, groups=32)


OWN = f"{__name__}:PlainBlock"


def network(**changes):
    stages = (
        Stage(block=BlockSpec("residual", depth=2), blocks=2, out_channels=8),
        Stage(block=BlockSpec("bottleneck", groups=2), blocks=1, out_channels=16, stride=2),
    )
    return Network(
        **{"in_channels": 3, "classes": 5, "stem": Stem(out_channels=8), "stages": stages, **changes}
    )


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        (
            3,
            {},
            r"^family: got 3; expected a name, one of simple, residual, bottleneck.* or package\.module:Class",
        ),
        (ResidualBlock, {}, r"^family: got <class .*; expected a name"),
        (None, {"depth": 3}, r"^family: got None"),
        ("residual", {"depth": -1}, r"^depth: got -1; expected a whole number of at least 1"),
        ("bottleneck", {"depth": 2}, r"^depth: got 2; .*ResidualBlock"),
        ("simple", {"norm": "bach"}, r"^norm: got 'bach'"),
        ("simple", {"kernel_size": (3, 5, 7), "depth": 0}, r"^depth: got 0"),
        ("simple", {"kernel_size": (3, 5, 7, 9)}, r"^kernel_size: "),
        ("residual", {"padding": 0}, r"^padding: got 0"),
        (OWN, {"depth": "two"}, r"PlainBlock', depth='two'\) with .*'str' object"),
        (OWN, {"stride": 2}, r"^stride: is set by the block's place"),
    ],
)
def test_a_spec_that_cannot_be_built_is_refused_when_it_is_made(family, options, message):
    with pytest.raises(SpecError, match=message):
        BlockSpec(family, **options)


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("residual", {"groups": 7}),
        ("bottleneck", {"groups": 32, "expansion": 3}),
        ("bottleneck", {"groups": 11, "expansion": 13, "depth": 17}),
        ("simple", {"kernel_size": (3, 5, 7)}),
        ("simple", {"kernel_size": (3,), "norm": "group"}),
        ("simple", {"kernel_size": 1001, "groups": 1000}),
        (f"{__name__}:FlatBlock", {}),
    ],
)
def test_a_spec_that_can_be_built_somewhere_is_not_refused(family, options):
    assert BlockSpec(family=family, **options).options == options


def test_block_specs_are_values():
    a, b = (
        BlockSpec("residual", depth=4, kernel_size=[3, 5]),
        BlockSpec("residual", kernel_size=(3, 5), depth=4),
    )
    assert a == b
    assert hash(a) == hash(b)
    assert pickle.loads(pickle.dumps(a)) == a  # noqa: S301 - how specs reach worker processes
    assert BlockSpec.from_dict(a.to_dict()) == a
    with pytest.raises(AttributeError, match="frozen"):
        a.family = "simple"
    with pytest.raises(TypeError):
        a.options["depth"] = 3
    assert eval(repr(a)) == a  # noqa: S307
    assert a.option("norm") == "batch"


@pytest.mark.parametrize(("first", "other"), [(3, 3.0), (1, True), ((3, 1), (3.0, 1)), (0.0, False)])
def test_equal_numbers_of_other_types_are_other_specs(first, other):
    assert first == other
    specs = {BlockSpec(OWN, wide=first), BlockSpec(OWN, wide=other), BlockSpec(OWN, wide=first)}
    assert len(specs) == 2


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"depth": 3}, {"depth": 3.0}),
        ({"depth": 1}, {"depth": True}),
        ({"kernel_size": (3, 1)}, {"kernel_size": (3.0, 1)}),
    ],
)
def test_what_was_built_before_lets_no_other_type_pass(good, bad):
    def made(options):
        return network(stages=(Stage(block=BlockSpec("residual", **options), blocks=1, out_channels=8),))

    made(good)
    with pytest.raises(SpecError, match=rf"^{next(iter(bad))}: got .*whole number"):
        made(bad)


@pytest.mark.parametrize(("good", "bad"), [(2, 2.0), (1, True), ((2, 1), (2.0, 1))])
def test_a_stride_built_before_lets_no_other_type_pass(good, bad):
    def made(stride):
        return network(stages=(Stage(block=BlockSpec("residual"), blocks=1, out_channels=8, stride=stride),))

    made(good)
    with pytest.raises(SpecError, match=r"^stages\[0\].stride: got .*whole number"):
        made(bad)


def test_options_are_the_constructor_s():
    assert block_options("residual") == {
        "kernel_size": 3,
        "padding": None,
        "depth": 2,
        "dilation": 1,
        "groups": 1,
        "bias": None,
        "norm": "batch",
        "activation": "relu",
        "padding_mode": "zeros",
        "shortcut": "projection",
        "attention": "none",
        "stochastic_depth": 0.0,
        "branch_scale": "none",
        "zero_init": False,
    }


def test_a_class_of_the_user_s_is_a_family():
    stage = Stage(block=BlockSpec(OWN, depth=2), blocks=2, out_channels=8, stride=2)
    spec = network(stages=(stage,))
    assert Network.from_toml(spec.to_toml()) == spec
    assert spec.build()(torch.zeros(1, 3, 9, 9)).shape == (1, 5)
    with pytest.raises(SpecError, match="no option dims"):
        network(stages=(stage,), dims=3)


def test_a_class_without_stride_is_no_family():
    with pytest.raises(SpecError, match=r"must take \(in_channels, out_channels, \*, stride, …\); it lacks"):
        BlockSpec("torch.nn:Linear")

"""Parameters of a class: one for each value in which its instances differ."""

from torch import nn

from convblocks.deploy.code.leaves import leaf
from convblocks.deploy.code.parameters import parameters
from convblocks.deploy.code.variables import declared


def signature(*instances, opened=False):
    parts = [{name: leaf(m, name) if m else None for name, m in parts.items()} for parts in instances]
    return parameters(parts, (), opened)


def declarations(made):
    return [declared(v) for v in made.signature]


def test_equal_instances_need_no_parameter():
    parts = {"conv": nn.Conv2d(3, 8, 3)}
    assert declarations(signature(parts, parts)) == []
    assert declarations(signature(parts, parts, opened=True)) == ["in_channels: int", "out_channels: int"]


def test_a_value_that_two_parts_share_is_one_parameter():
    made = signature(*({"conv": nn.Conv2d(c, c, 3, padding=1), "norm": nn.BatchNorm2d(c)} for c in (4, 8)))
    assert declarations(made) == ["channels: int"]
    assert made.symbols == {
        ("conv", "in_channels"): "channels",
        ("conv", "out_channels"): "channels",
        ("norm", "num_features"): "channels",
    }


def test_the_usual_value_is_the_default():
    made = signature(*({"conv": nn.Conv2d(4, 8, 3, stride=s)} for s in (1, 1, 2)))
    assert declarations(made) == ["stride: int = 1"]


def test_a_part_that_some_instances_lack_has_a_condition():
    made = signature(
        {"conv": nn.Conv2d(4, 4, 1), "norm": None}, {"conv": nn.Conv2d(4, 8, 1), "norm": nn.BatchNorm2d(8)}
    )
    assert made.conditions.keys() == {"norm"}

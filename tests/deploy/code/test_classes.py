"""Instances of one structure become one class."""

import pytest
from torch import nn

from convblocks.deploy.code.classes import Classes
from convblocks.deploy.code.instances import instances
from convblocks.deploy.code.node import written


class Layer(nn.Module):
    def __init__(self, inputs, outputs, kind=nn.Conv2d):
        super().__init__()
        self.layer = kind(inputs, outputs, 1)

    def forward(self, x):
        return self.layer(x)


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Layer(2, 2)

    def forward(self, x):
        return self.inner(x)


def defined(module):
    by_id, _ = instances(module)
    classes = Classes(by_id, set())
    return written(classes.define(module), {}), classes.sources


def test_instances_that_differ_in_widths_share_a_class():
    call, sources = defined(nn.Sequential(Layer(2, 4), Layer(4, 8)))
    assert list(sources) == ["Layer"]
    assert call == "nn.Sequential(Layer(2, 4), Layer(4, 8))"


@pytest.mark.parametrize("kind", [nn.Conv1d, nn.ConvTranspose2d])
def test_instances_of_other_parts_have_a_class_of_their_own(kind):
    _, sources = defined(nn.Sequential(Layer(2, 4), Layer(4, 8, kind)))
    assert list(sources) == ["Layer", "Layer2"]


def test_inner_classes_come_first():
    assert list(defined(Outer())[1]) == ["Layer", "Outer"]

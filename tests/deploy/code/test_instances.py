"""Instances of a module: which classes and methods come along, and what no file can write."""

import numpy as np
import pytest
import torch
from torch import nn

from convblocks.deploy.code import module_code
from convblocks.deploy.code.instances import instances, is_own
from convblocks.errors import CodeError


class Hooked(torch.nn.Module):
    def forward(self, x):
        return x + 1


class Numpy(torch.nn.Module):
    def forward(self, x):
        return np.add(x, 1)


def test_what_no_file_can_say_is_refused():
    hooked = Hooked()
    hooked.register_forward_hook(lambda *_: None)
    with pytest.raises(CodeError, match="the module has the forward hook <lambda>"):
        module_code(hooked, (1, 2, 2))
    twice = torch.nn.Conv2d(2, 2, 1)
    with pytest.raises(CodeError, match="1 and 0 are one module"):
        module_code(torch.nn.Sequential(twice, twice), (2, 2, 2))
    with pytest.raises(CodeError, match="uses numpy; a file that imports torch alone cannot"):
        module_code(Numpy(), (1, 2, 2))


class Square(nn.Module):
    def forward(self, x):
        return self.power(x)

    def power(self, x):
        return x**2

    def unused(self, x):
        return x


class Through(nn.Module):
    def forward(self, x):
        return x


def test_methods_come_along_that_forward_calls():
    by_id, _ = instances(module := Square())
    assert sorted(by_id[id(module)].methods) == ["forward", "power"]


def test_a_module_that_gives_its_input_is_an_identity():
    assert instances(module := Through())[0][id(module)].is_identity
    assert not instances(module := Square())[0][id(module)].is_identity


def test_own_classes_are_those_that_define_what_torch_does_not():
    assert is_own(Square())
    assert not is_own(nn.Conv2d(1, 1, 1))
    assert not is_own(nn.Sequential())

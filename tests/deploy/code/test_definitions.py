"""Functions and values that a printed file brings along."""

from contextlib import contextmanager
from functools import wraps

import pytest
import torch
from torch import nn

from convblocks.deploy.code import module_code
from convblocks.deploy.code.definitions import is_plain, public_names
from convblocks.errors import CodeError
from tests.deploy.code.printed import made

FACTOR = 3.0


def doubled(function):
    """A decorator as people write them."""

    @wraps(function)
    def twice(x):
        return 2 * function(x)

    return twice


@doubled
def tripled(x):
    return FACTOR * x


def squared(x):
    return x * x


@contextmanager
def training_of(module, mode):
    before = module.training
    module.training = mode
    try:
        yield
    finally:
        module.training = before


class Decorated(nn.Module):
    @torch.no_grad()
    def forward(self, x):
        with training_of(self, True):
            assert self.training
            y = tripled(x) if self.training else x
        return y + FACTOR


def test_a_decorated_function_comes_with_its_decorator():
    text = module_code(Decorated(), (2, 3))
    x = torch.randn(4, 2, 3, requires_grad=True)
    module = made(text).eval()
    assert torch.equal(module(x), 6 * x + 3)
    assert not module(x).requires_grad
    assert not module.training
    assert "@contextmanager" in text
    assert "@doubled" in text


hidden = doubled(squared)


class Hidden(nn.Module):
    def forward(self, x):
        return hidden(x)


def test_a_function_that_is_wrapped_elsewhere_is_refused():
    with pytest.raises(CodeError, match="squared is wrapped where its code does not say so"):
        module_code(Hidden(), (2, 3))


def test_plain_values_are_those_a_literal_can_write():
    assert all(map(is_plain, (1, 1.5, "a", None, True, (1, ("b", None)))))
    assert not any(map(is_plain, ([1], {1: 2}, nn.ReLU(), (1, [2]), torch.float32)))


def test_spellings_are_those_people_use():
    names = public_names()
    assert names[id(nn.functional.max_pool2d)] == "F.max_pool2d"
    assert names[id(torch.cat)] == "torch.cat"
    assert names[id(nn.Conv2d)] == "nn.Conv2d"

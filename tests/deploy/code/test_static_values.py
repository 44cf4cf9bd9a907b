"""Expressions of a method that are decided before it runs, and those that are not."""

import ast

import pytest
import torch
from torch import nn

from convblocks.deploy.code.definitions import parsed
from convblocks.deploy.code.static_values import UNKNOWN, StaticValues

TABLE = {"max": 1, "mean": 2}


class Module(nn.Module):
    def __init__(self):
        super().__init__()
        self.how, self.sizes, self.count = "max", (3, 5), 0
        self.weight = nn.Parameter(torch.zeros(2))
        self.bias = None

    def forward(self, x):
        self.count += 1
        for i in range(3):
            x = x + i
        return x


@pytest.fixture(scope="module")
def static():
    values = StaticValues(Module.forward, Module())
    values.count_stores(parsed(Module.forward))
    return values


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("self.how", "max"),
        ("TABLE[self.how]", 1),
        ("len(self.sizes) > 1 and self.sizes[1]", 5),
        ("self.bias is None", True),
        ("self.weight is None", False),
        ("max(self.sizes) * 2", 10),
        ("isinstance(self.sizes, tuple)", True),
    ],
)
def test_plain_attributes_and_pure_functions_decide(static, expression, value):
    assert static.value(ast.parse(expression, mode="eval").body) == value


@pytest.mark.parametrize(
    "expression",
    ["x", "self.weight", "self.training", "self.count", "i", "print(1)", "self.sizes[9]", "x.shape"],
)
def test_inputs_tensors_and_what_changes_do_not(static, expression):
    assert static.value(ast.parse(expression, mode="eval").body) is UNKNOWN

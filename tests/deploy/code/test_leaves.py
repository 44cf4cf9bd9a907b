"""PyTorch's modules and tensors, read back by running the call that was read off them."""

import pytest
import torch
from torch import nn

from convblocks.deploy.code.leaves import container, leaf, tensor
from convblocks.deploy.code.node import Node, written
from convblocks.errors import CodeError


def run(node):
    return eval(written(node, {}), {"nn": nn, "torch": torch})  # noqa: S307 - our own calls


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.Conv1d(4, 8, (5,), stride=2, groups=2, padding_mode="reflect"),
        nn.ConvTranspose3d(2, 2, (1, 2, 3), output_padding=0),
        nn.Linear(2, 3),
        nn.BatchNorm2d(4, eps=1e-3, affine=False),
        nn.LayerNorm((3, 4)),
        nn.GroupNorm(2, 4),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.AdaptiveAvgPool2d((None, 1)),
        nn.Dropout2d(0.3),
        nn.Flatten(2),
        nn.LeakyReLU(0.2, inplace=True),
    ],
    ids=repr,
)
def test_the_call_makes_the_same_module(module):
    assert repr(run(leaf(module, "path"))) == repr(module)


def test_defaults_are_not_written():
    assert written(leaf(nn.Conv2d(3, 64, 3, padding=1), ""), {}) == "nn.Conv2d(3, 64, 3, padding=1)"
    assert written(leaf(nn.MaxPool2d(2), ""), {}) == "nn.MaxPool2d(2)"
    assert written(leaf(nn.Dropout(0), ""), {}) == "nn.Identity()"


@pytest.mark.parametrize(
    "value",
    [
        torch.ones(2, 3),
        torch.zeros(4, dtype=torch.long),
        torch.full((2, 2), 1e-6),
        torch.tensor([1.5, -2.0]),
        torch.tensor(3.0),
        torch.tensor(7),
    ],
    ids=str,
)
def test_the_call_makes_the_same_tensor(value):
    made = run(tensor(value, "path"))
    assert made.dtype == value.dtype
    assert torch.equal(made, value)


def test_many_numbers_come_with_the_weights_or_not_at_all():
    assert run(tensor(torch.rand(300), "path")).shape == (300,)
    with pytest.raises(CodeError, match="path holds 300 numbers"):
        tensor(torch.rand(300), "path", saved=False)


def test_a_row_with_names_of_its_own_keeps_them():
    relu = Node("nn.ReLU", {})
    assert container(nn.Sequential(), {"0": relu, "1": relu}).wrap == "*"
    assert container(nn.Sequential(), {"a": relu}).wrap == "od"
    assert container(nn.ModuleList(), {"0": relu}).wrap == "["

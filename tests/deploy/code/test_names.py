"""Layers and tensors under names that no attribute of code can have: the file registers them by their names."""

import pytest
import torch
from torch import nn

from convblocks.deploy.code import module_code
from tests.deploy.code.printed import made


class Names(nn.Module):
    """Numbers, signs, spaces, quotes and words of Python, read in each way that PyTorch has."""

    def __init__(self, inputs, outputs, extra=False):
        super().__init__()
        self.add_module("my-conv", nn.Conv2d(inputs, outputs, 1))
        self.add_module("0", nn.BatchNorm2d(outputs))
        self.add_module("class", nn.Conv2d(outputs, outputs, 3, padding=1, bias=extra))
        self.add_module("short cut", nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity())
        self.add_module("x'y", nn.ReLU() if extra else nn.Identity())
        self.add_module("x_y", nn.ReLU() if extra else nn.Identity())
        self.register_buffer("mean-of", torch.full((outputs, 1, 1), 3.0))
        self.register_parameter("w/1", nn.Parameter(torch.ones(1)))
        nn.init.zeros_(getattr(self, "0").weight)

    def forward(self, x):
        y = getattr(self, "class")(getattr(self, "0")(self._modules["my-conv"](x)))
        y = y * self.get_buffer("mean-of") + self.get_submodule("short cut")(x)
        return self.x_y(getattr(self, "x'y")(y)) * getattr(self, "w/1")


class Children(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module("a b", nn.Conv2d(3, 4, 1))
        self.add_module("drop-out", nn.Dropout(0.0))  # which only passes on
        self.add_module("for", nn.Conv2d(4, 4, 1))

    def forward(self, x):
        for layer in self.children():
            x = layer(x)
        return x


@pytest.mark.parametrize(
    "make",
    [
        lambda: Names(3, 4),
        lambda: nn.Sequential(Names(3, 4), Names(4, 4, True), Names(4, 8)),
        Children,
    ],
    ids=["one", "several", "children"],
)
def test_the_file_s_module_has_the_same_names(make):
    module = make()
    theirs = made(module_code(module, (3, 8, 8)))
    assert list(theirs.state_dict()) == list(module.state_dict())
    for name, weight in module.state_dict().items():
        assert bool(weight.any()) == bool(theirs.state_dict()[name].any())  # zero where it starts at zero

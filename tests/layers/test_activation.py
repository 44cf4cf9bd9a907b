"""Activations are PyTorch's, and overwrite their input only where that is allowed."""

import pytest
import torch
import torch.nn.functional as F

from convblocks.errors import OptionError
from convblocks.layers.activation import ACTIVATIONS, make_activation

FUNCTIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "silu": F.silu,
    "gelu": F.gelu,
    "tanh": torch.tanh,
    "elu": F.elu,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_those_of_pytorch_s_functions(name):
    x = torch.linspace(-8, 8, 33)
    torch.testing.assert_close(make_activation(name)(x.clone()), FUNCTIONS[name](x))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_input_that_is_read_elsewhere_stays(name):
    x = torch.linspace(-2, 2, 9)
    before = x.clone()
    make_activation(name, overwrites=False)(x)
    assert torch.equal(x, before)


def test_an_unknown_name_is_refused_with_those_that_there_are():
    with pytest.raises(OptionError, match="expected relu, relu6, leaky_relu"):
        make_activation("reul")

"""Activations by name; in place where PyTorch can, since the input is not needed for backward."""

from collections.abc import Callable
from typing import Any

from torch import nn

from convblocks.checks import one_of

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True),
    "relu6": lambda: nn.ReLU6(inplace=True),
    "leaky_relu": lambda: nn.LeakyReLU(0.01, inplace=True),
    "elu": lambda: nn.ELU(inplace=True),
    "silu": lambda: nn.SiLU(inplace=True),
    "mish": lambda: nn.Mish(inplace=True),
    "hardswish": lambda: nn.Hardswish(inplace=True),
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "none": nn.Identity,
}


def make_activation(name: str, *, overwrites: bool = True) -> nn.Module:
    """Returns the activation of that name; `overwrites=False` where its input is needed elsewhere."""
    activation: Any = ACTIVATIONS[one_of("activation", name, ACTIVATIONS)]()
    if not overwrites and hasattr(activation, "inplace"):
        activation.inplace = False
    made: nn.Module = activation
    return made

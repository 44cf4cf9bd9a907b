"""The optimizers that a recipe may name, each made from the recipe's values.

All are fused: one kernel updates a parameter, in the order of its memory, which is faster than a kernel for each term.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from convblocks.records.recipe import Recipe


def sgd(parameters: Iterable[nn.Parameter], recipe: "Recipe") -> torch.optim.Optimizer:
    """Returns SGD with Nesterov momentum; weight decay is added to the gradient."""
    return torch.optim.SGD(
        parameters,
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        nesterov=recipe.momentum > 0,
        weight_decay=recipe.weight_decay,
        fused=True,
    )


def adamw(parameters: Iterable[nn.Parameter], recipe: "Recipe") -> torch.optim.Optimizer:
    """Returns AdamW, whose β1 is the recipe's momentum (Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2).

    β2 is 0.999 and ε 1e-8. Weight decay, times the learning rate, is taken off the weights.
    """
    return torch.optim.AdamW(
        parameters,
        lr=recipe.learning_rate,
        betas=(recipe.momentum, 0.999),
        weight_decay=recipe.weight_decay,
        fused=True,
    )


OPTIMIZERS: dict[str, Callable[[Iterable[nn.Parameter], "Recipe"], torch.optim.Optimizer]] = {
    "sgd": sgd,
    "adamw": adamw,
}

"""Stochastic depth: a residual branch is left out at random while training (Huang et al. 2016, arXiv:1603.09382)."""

import torch
from torch import nn

from convblocks.checks import probability


class StochasticDepth(nn.Module):
    """Sets whole examples to zero with probability `p` and scales the rest by 1 / (1 − p), in training only."""

    def __init__(self, p: float):
        super().__init__()
        self.p = probability("stochastic_depth", p)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        mask = torch.empty(x.shape[0], *[1] * (x.ndim - 1), dtype=x.dtype, device=x.device)
        return x * mask.bernoulli_(1 - self.p).div_(1 - self.p)

    def extra_repr(self) -> str:
        """Returns what `repr` shows between the brackets."""
        return f"p={self.p}"

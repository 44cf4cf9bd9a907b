"""A method for one instance: what its options decide is decided, and nothing else changes."""

import torch
from torch import nn

from convblocks.deploy.code.definitions import Definitions
from convblocks.deploy.code.specialise import specialised
from convblocks.errors import OptionError


class Pool(nn.Module):
    def __init__(self, how, scale):
        super().__init__()
        self.how, self.scale, self.norm = how, scale, nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.ndim != 4:
            raise OptionError("x", x.ndim, "expected 4 axes")
        kernel = 2
        if self.how == "max" and x.shape[-1] > 1:
            return nn.functional.max_pool2d(x, kernel) * self.scale
        elif self.how == "mean":  # noqa: RET505
            return nn.functional.avg_pool2d(x, kernel)
        return self.norm(x)


def rewritten(module):
    return specialised(Pool.forward, module, Definitions(lambda *_: None))


def test_branches_fold_and_checks_are_dropped():
    assert rewritten(Pool("mean", 3)).source == (
        "def forward(self, x: torch.Tensor) -> torch.Tensor:\n    return nn.functional.avg_pool2d(x, 2)"
    )


def test_what_only_running_can_tell_stays():
    method = rewritten(Pool("max", 3))
    assert "if x.shape[-1] > 1:" in method.source
    assert "self.how" not in method.source
    assert "return self.norm(x)" in method.source
    assert method.attributes == {"scale": 3}
    assert {"scale", "norm", "shape"} <= method.named

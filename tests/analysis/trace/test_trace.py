"""A trace of modules of all kinds, of their inputs and outputs."""

import torch
from torch import nn

from convblocks.analysis import trace


class Awkward(nn.Module):
    """A constant made on the way, a submodule used twice, dicts, in-place work, a branch on a shape."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.register_buffer("scale", torch.tensor([2.0]))

    def forward(self, x, weight=None):
        ramp = torch.arange(x.shape[-1]).float()
        x = self.conv(self.conv(x)) * self.scale + ramp
        x[:, :1] += 1
        parts = {"a": x, "b": x.relu_()}
        if x.shape[-1] > 4 and weight is not None:
            parts["b"] = parts["b"] * weight
        return parts


def test_modules_of_all_kinds_are_traced():
    seen = trace(Awkward(), (2, 8, 8), (1, 8, 8))
    assert [op.path for op in seen.ops if op.name == "conv2d"] == ["conv", "conv"]
    assert len(seen.inputs) == 2
    assert len(seen.outputs) == 2
    reads = [value for op in seen.ops for value in op.inputs]
    assert any(value.number == seen.inputs[1].number for value in reads)


def test_an_integer_input():
    seen = trace(nn.Embedding(10, 4), (7,), dtypes=[torch.int64])
    assert seen.output.shape == (1, 7, 4)

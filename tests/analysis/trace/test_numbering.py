"""Values of a trace: which of them share a storage."""

import torch
from torch import nn

from convblocks.analysis import trace
from convblocks.analysis.trace.numbering import Numbering


def test_views_and_in_place_work_share_a_storage():
    class Net(nn.Module):
        def forward(self, x):
            y = x + 1
            y[:, :1].mul_(2)
            return torch.relu_(y).flatten(1) * y.T.sum()

    ops = {op.name: op for op in trace(Net(), (2, 4)).ops}
    home = ops["add"].outputs[0].storage
    assert {name for name, op in ops.items() if op.outputs[0].storage == home} == {
        "add", "__getitem__", "mul_", "relu_", "flatten", "T"
    }  # fmt: skip
    assert {name for name, op in ops.items() if op.in_place} == {"mul_", "relu_"}


def test_results_have_a_storage_of_their_own_unless_they_are_views():
    numbers = Numbering()
    x = torch.zeros(2, 3)
    first = numbers.read(x)
    view, made = numbers.written((x[:, 1:], x + 1), (x,))
    assert (first.storage, view.storage) == (first.number, first.number)
    assert made.storage == made.number
    assert (view.shape, view.stride) == ((2, 2), (3, 1))
    assert numbers.read(x) is first
    seen = []
    assert numbers.shown([x, (1, 2), "text"], seen) == (first, (1, 2), "text")
    assert seen == [first]

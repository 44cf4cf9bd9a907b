"""The questions that rules ask of a trace, on a network whose answers are read off its forward."""

import pytest
import torch
from torch import nn

from convblocks import analyze, trace
from convblocks.advice.view import View, depending, named
from convblocks.analysis.trace import Failed
from convblocks.errors import OptionError, TraceError

SIZE = (4, 8, 8)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.scale = nn.Conv2d(4, 4, 3, padding=1), nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x):
        y = self.conv(x).contiguous()
        return y.relu() + y, self.scale.abs() * 2


@pytest.fixture
def view():
    return View(trace(Net(), SIZE))


def op(view, name):
    (match,) = [each for each in view.trace.ops if each.name.strip("_") == name]
    return match


def test_makers_and_uses_look_past_what_changes_no_value(view):
    conv, added = op(view, "conv2d"), op(view, "add")
    assert view.maker(added.inputs[1]) is conv
    assert view.maker(view.trace.input) is None
    assert view.uses(conv.outputs[0]) == [op(view, "relu"), added]
    assert view.only_uses(added.outputs[0]) == []  # it is given out
    assert [*view.weighted()] == [*view.convolutions()] == [conv]


def test_weights_are_no_maps_and_what_is_made_of_them_does_not_depend_on_the_input(view):
    assert view.maps(op(view, "conv2d")) == [view.trace.input]
    first, second = view.trace.outputs
    assert first.number in view.depending
    assert second.number not in depending(view.trace)
    assert view.field(second) == (None, None)
    assert view.field(first) == ((1, -1, 1), (1, -1, 1))


def test_it_re_traces_at_other_sizes_and_batches_with_the_same_module(view):
    assert view.several.output.shape == (3, 4, 8, 8)
    assert view.attempt([(4, 5, 6)]).output.shape == (1, 4, 5, 6)
    assert isinstance(view.attempt([(3, 8, 8)]), Failed)
    assert view.analysis == analyze(view.module, SIZE)
    assert view.input_sizes == (SIZE,)


def test_the_signal_needs_one_floating_point_input_with_the_batch_first():
    for module, sizes, options, error in (
        (nn.Bilinear(2, 3, 4), [(2,), (3,)], {}, TraceError),
        (nn.Embedding(10, 4), [(7,)], {"dtypes": [torch.int64]}, TraceError),
        (nn.LSTM(6, 4), [(10, 6)], {"axes": "time,batch,features"}, OptionError),
    ):
        with pytest.raises(error, match="signal"):
            _ = View(trace(module, *sizes, **options)).symptoms


def test_the_empty_path_has_a_name():
    assert (named("a.b"), named(""), named("", "relu")) == ("a.b", "the whole module", "relu")

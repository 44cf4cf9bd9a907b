"""The recorder sees each op, in the module that called it."""

import pytest
from torch import nn

from convblocks.analysis import trace
from convblocks.errors import TraceError
from tests.networks.test_network_spec import network


def test_ops_know_the_module_they_were_called_in():
    seen = trace(network().build(), (3, 8, 8))
    paths = [op.path for op in seen.ops if op.name == "conv2d"]
    assert paths[:3] == ["stem.conv", "stages.0.0.main.0.conv", "stages.0.0.main.1.conv"]
    assert {op.path for op in seen.ops if op.name == "__add__" or op.name == "add"} >= {
        "stages.0.0",
        "stages.1.0",
    }


def test_what_is_done_in_place_keeps_its_shape_or_is_refused():
    class InPlace(nn.Module):
        def forward(self, x):
            return x.mean((2, 3), keepdim=True).add_(x)

    with pytest.raises(TraceError, match="add_"):
        trace(InPlace(), (3, 8, 8))

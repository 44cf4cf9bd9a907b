"""Forwards of one example that are not those of several, against what real torch gives and refuses."""

import pytest
import torch
from torch import nn

from convblocks.analysis import trace
from convblocks.analysis.trace.several_examples import (
    SEVERAL,
    keeping_axis,
    lost_axis,
    norms_of_one_value,
)
from tests.analysis.one_op import Do

WORKS = {
    "squeezed": lambda x: x.mean((2, 3)).squeeze(),
    "squeezed along an axis": lambda x: x.mean((2, 3)).squeeze(1),
    "first and the rest": lambda x: x.relu().sum(1).squeeze() * 2,
    "kept": lambda x: x.relu(),
}


@pytest.mark.parametrize("name", WORKS)
def test_the_batch_axis_is_lost_where_one_example_gives_fewer_axes(name):
    net = Do(WORKS[name])
    one, several = trace(net, (4, 3, 3)), trace(net, (4, 3, 3), batch=SEVERAL)
    real = [net(torch.ones(n, 4, 3, 3)).ndim for n in (1, SEVERAL)]
    lost = lost_axis(one, several)
    assert (lost is not None) == (real[0] != real[1])
    if lost:
        assert lost.name == "squeeze"
        assert "x.flatten(1)" in keeping_axis(lost)


@pytest.mark.parametrize("size", [1, 2])
def test_norms_of_one_value_are_those_that_training_refuses(size):
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(size), nn.BatchNorm2d(4))
    norms = norms_of_one_value(trace(net, (3, 4, 4)))
    assert [op.path for op in norms] == (["3"] if size == 1 else [])
    if norms:
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            net.train()(torch.ones(1, 3, 4, 4))
    else:
        net.train()(torch.ones(1, 3, 4, 4))

"""Parts and tensors of a module, against the methods of nn.Module."""

from dataclasses import dataclass

import torch
from torch import nn

from convblocks.analysis.trace.walk import buffers, modules, parameters, tensors


def shared_parts():
    """Returns a module with parts and weights that come twice, one that is None, and buffers."""
    conv, norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
    net = nn.Sequential(conv, norm, nn.Sequential(conv, nn.ReLU()), nn.Linear(3, 3))
    net[3].weight = nn.Parameter(torch.ones(3, 3))
    net.add_module("tied", nn.Linear(3, 3, bias=False))
    net.tied.weight = net[3].weight
    net.register_module("nothing", None)
    return net


def test_parts_come_as_from_the_module_itself():
    net = shared_parts()
    assert list(modules(net)) == list(net.named_modules())
    assert list(parameters(net)) == [name for name, _ in net.named_parameters()]
    assert all(parameters(net)[name] is p for name, p in net.named_parameters())
    assert {id(b) for b in buffers(net)} == {id(b) for b in net.buffers()}
    assert parameters(net, list(net.named_modules())) == parameters(net)


@dataclass
class Pair:
    first: torch.Tensor
    rest: object = None


def test_tensors_of_a_nest_come_in_their_order():
    a, b, c, d = (torch.tensor(i) for i in range(4))
    nest = [a, ("text", {"x": b, "y": [1, None]}), Pair(c, rest=(d, 2.0)), Pair]
    assert [t.item() for t in tensors(nest)] == [0, 1, 2, 3]
    assert list(tensors(3)) == []

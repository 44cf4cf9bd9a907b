"""The tree of an analysis: a node for each module and for each call of a function, whose figures add up."""

import torch
from torch import nn

from convblocks import analyze
from convblocks.cli.layer_tree import tree


def test_each_call_of_a_function_is_a_row_where_it_happens():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 3)

        def forward(self, x):
            return torch.relu(self.second(torch.relu(self.first(x))))

    names = [node.name for node in tree(analyze(Twice(), (3, 8, 8))).children.values()]
    assert names == ["first", "relu()", "second", "relu()"]


def test_figures_of_a_node_are_the_sums_of_its_layers():
    net = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()), nn.Conv2d(4, 8, 3))
    record = analyze(net, (3, 8, 8))
    root = tree(record)
    assert root.total("macs") == record.macs == sum(node.total("macs") for node in root.children.values())
    assert root.children["0"].type == "Sequential"
    assert root.children["0"].total("params") == 3 * 4 * 9 + 4
    assert root.output.output_shape == (1, 8, 6, 6)
    assert root.unproductive == (len(record.unproductive), 2)

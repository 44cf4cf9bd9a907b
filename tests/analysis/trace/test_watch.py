"""The state in which a module is watched: its mode, hooks and weights, checkpointed segments, compiled parts."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from convblocks import analyze
from convblocks.analysis import trace
from tests.networks.test_network_spec import network


def test_real_weights_are_neither_moved_nor_changed():
    net = network().build().train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    seen = trace(net, (3, 8, 8))
    assert seen.output.shape == (1, 5)
    assert net.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    with torch.device("meta"):
        on_meta = network().build()
    assert [op.name for op in trace(on_meta, (3, 8, 8)).ops] == [op.name for op in seen.ops]


class Checkpointed(nn.Module):
    def __init__(self, *, reentrant):
        super().__init__()
        self.first, self.second, self.reentrant = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1), reentrant

    def forward(self, x):
        x = checkpoint(self.first, x, use_reentrant=self.reentrant)
        return checkpoint(self.second, x, use_reentrant=self.reentrant).relu()


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_segments_are_numbered(reentrant):
    seen = trace(Checkpointed(reentrant=reentrant), (2, 4, 4))
    assert [(op.name, op.checkpoint) for op in seen.ops] == [("conv2d", 1), ("conv2d", 2), ("relu", 0)]
    assert [(c.path, c.parent, c.start, c.stop, c.leaf) for c in seen.calls] == [
        ("", -1, 0, 3, False),
        ("first", 0, 0, 1, True),
        ("second", 0, 1, 2, True),
    ]


def test_a_trace_leaves_the_module_as_it_was():
    with torch.device("meta"):
        net = network().build().train()
    trace(net, (3, 8, 8))
    assert net.training
    assert not net._forward_hooks


@pytest.mark.filterwarnings("ignore")  # of torch.compile, on import
def test_compiled_modules_are_read_as_they_were_written():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()))
    plain = analyze(net, (3, 8, 8))
    net[1] = torch.compile(net[1])
    for compiled in (net, torch.compile(net)):
        found = analyze(compiled, (3, 8, 8))
        assert (found.params, found.macs, found.receptive_field, found.saved_bytes) == (
            plain.params,
            plain.macs,
            plain.receptive_field,
            plain.saved_bytes,
        )

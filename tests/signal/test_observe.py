"""The main path as a real forward calls it, on copies that leave the module as it was."""

import pytest
import torch
from torch import nn

from convblocks.analysis.trace.duplicate import copy_of
from convblocks.errors import TraceError
from convblocks.signal import signal
from convblocks.signal.observe import main_path_calls, run, settled


class Gated(nn.Module):
    """A convolution whose output a squeeze-and-excitation scales."""

    def __init__(self):
        super().__init__()
        self.before, self.reduce = nn.Conv2d(4, 4, 3), nn.Conv2d(4, 2, 1)
        self.expand, self.after = nn.Conv2d(2, 4, 1), nn.Conv2d(4, 4, 3)

    def forward(self, x):
        x = self.before(x)
        return self.after(x * self.expand(self.reduce(x.mean((2, 3), keepdim=True))).sigmoid()).mean((2, 3))


def test_side_layers_are_not_on_the_main_path():
    assert [layer.name for layer in signal(Gated(), torch.randn(2, 4, 8, 8)).layers] == ["before", "after"]


def test_calls_come_in_order_with_the_tensors_of_hooks_by_hand():
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 3))
    x = torch.randn(2, 2, 7, 7)
    calls, output = main_path_calls(module, x)
    assert [call.name for call in calls] == ["0", "2"]
    assert torch.equal(calls[0].output, module[0](x))  # before the activation overwrote it
    assert torch.equal(calls[1].given, module[0](x).relu())
    assert torch.equal(output, module(x))


def test_a_copy_takes_gradients_and_a_fresh_norm_takes_the_batch_s_statistics():
    module = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)).requires_grad_(False)
    assert all(p.requires_grad for p in copy_of(module).parameters())
    x = 3 * torch.randn(8, 2, 6, 6) + 1
    copy = settled(module, x)
    assert torch.allclose(copy[1].running_mean, module[0](x).mean((0, 2, 3)), atol=1e-5)
    assert not module[1].running_mean.any()
    assert not any(p.requires_grad for p in module.parameters())


def test_a_module_without_layers_or_tensors_is_refused():
    with pytest.raises(TraceError, match="calls no convolution or linear module"):
        main_path_calls(nn.ReLU(), torch.ones(2, 3))

    class Texts(nn.Module):
        def forward(self, x):
            return "none"

    with pytest.raises(TraceError, match="gives a str"):
        run(Texts(), torch.ones(2, 3))

"""Costs against PyTorch's own counter, published numbers and full traces."""

import torch
from hypothesis import given, settings
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convblocks import BlockSpec, Network, Stage, Stem, network_cost
from convblocks.analysis import count
from tests.networks.test_network_spec import networks


def on_meta(make):
    with torch.device("meta"):
        return make()


@settings(max_examples=40, deadline=None)
@given(networks())
def test_macs_equal_pytorch_s_counter(spec):
    """Forward only: its forward count is right, grouped convolutions included."""
    net = on_meta(spec.build).eval()
    size = (9,) * spec.dims
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.empty(1, spec.in_channels, *size, device="meta"))
    assert count(net, (spec.in_channels, *size)).macs == counter.get_total_flops() // 2


@settings(max_examples=40, deadline=None)
@given(networks())
def test_the_sum_of_cached_blocks_is_the_full_trace(spec):
    size = (11,) * spec.dims
    assert network_cost(spec, size) == count(on_meta(spec.build), (spec.in_channels, *size))


def test_resnet_20_for_cifar_has_its_published_size():
    """He et al. 2016, table 6: 0.27 M, to the unit 269,722 with option A; ours projects where that pads with zeros."""
    stages = tuple(
        Stage(block=BlockSpec("residual", depth=2), blocks=3, out_channels=width, stride=stride)
        for width, stride in ((16, 1), (32, 2), (64, 2))
    )
    resnet = Network(in_channels=3, classes=10, stem=Stem(out_channels=16), stages=stages)
    projections = 16 * 32 + 32 * 64 + 2 * (32 + 64)
    assert network_cost(resnet, (32, 32)).params == 269_722 + projections


def test_an_unknown_op_is_named_not_counted_as_zero():
    class Spectral(nn.Module):
        def forward(self, x):
            return torch.fft.irfft(torch.fft.rfft(x))

    assert count(Spectral(), (1, 8, 8)).unknown_ops == {"fft_rfft", "fft_irfft"}


def test_activations_are_the_elements_that_convolutions_put_out():
    net = on_meta(lambda: nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, 2, 1)))
    assert count(net, (3, 9, 9)).activations == 8 * 81 + 4 * 25

"""Costs against PyTorch's own counter, published numbers and full traces."""

from functools import partial

import pytest
import torch
from hypothesis import given, settings
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convblocks import BlockSpec, Network, Stage, Stem, analyze, network_cost
from convblocks.analysis import count, trace
from convblocks.errors import TraceError
from tests.networks.test_network_spec import network, networks


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


def test_a_trace_leaves_the_module_as_it_was():
    net = on_meta(network().build).train()
    trace(net, (3, 8, 8))
    assert net.training
    assert not net._forward_hooks


def test_an_input_too_small_is_one_clear_line():
    net = on_meta(lambda: nn.Conv2d(3, 8, 5))
    with pytest.raises(
        TraceError,
        match=r"3×4×4 in conv2d\(1×3×4×4, 8×3×5×5, 8\): .*; give a larger input, of at least 3×5×5, or padding=1$",
    ):
        trace(net, (3, 4, 4))


class Recurrent(nn.Module):
    """A recurrent layer on what learns or on the input itself, from a state that learns or from zeros."""

    def __init__(self, make, below, state):
        super().__init__()
        self.below = nn.Linear(6, 6) if below else nn.Identity()
        self.recurrent = make(6, 4, batch_first=True)
        ways = self.recurrent.num_layers * (2 if self.recurrent.bidirectional else 1)
        self.state = nn.Parameter(torch.rand(ways, 1, self.recurrent.proj_size or 4)) if state else None
        self.register_buffer("cell", torch.zeros(ways, 1, 4))

    def forward(self, x):
        state = self.state
        if state is not None and isinstance(self.recurrent, nn.LSTM):
            state = state, self.cell
        return self.recurrent(self.below(x), state)[0]


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # spoken of whenever oneDNN is switched
@pytest.mark.parametrize("kind", [nn.GRU, nn.RNN, nn.LSTM, partial(nn.LSTM, proj_size=3)])
@pytest.mark.parametrize(("below", "state"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize(("layers", "both_ways"), [(1, False), (2, False), (1, True), (3, True)])
def test_backpropagation_through_time_costs_what_pytorch_counts(kind, layers, both_ways, below, state):
    net = Recurrent(partial(kind, num_layers=layers, bidirectional=both_ways), below, state)
    found = analyze(net, (5, 6))
    with (
        torch.backends.mkldnn.flags(enabled=False),
        FlopCounterMode(display=False) as counter,
    ):  # it fuses an LSTM
        net(torch.rand(1, 5, 6)).sum().backward()
    assert (
        found.macs + found.macs_weight_gradient + found.macs_input_gradient == counter.get_total_flops() // 2
    )


class Einsum(nn.Module):
    def __init__(self, equation, on_map, *shapes):
        super().__init__()
        self.equation, self.below = equation, nn.Linear(6, 6) if on_map else nn.Identity()
        self.weights = nn.ParameterList([torch.rand(shape) for shape in shapes])

    def forward(self, x):
        return torch.einsum(self.equation, self.below(x), *self.weights)


@pytest.mark.parametrize("on_map", [True, False])
@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bnc,cd->bnd", [(6, 4)]),
        ("bnc,cr,rd->bnd", [(6, 2), (2, 4)]),
        ("bnc,cr,rs,sd->bnd", [(6, 2), (2, 3), (3, 4)]),
    ],
)
def test_each_product_of_an_einsum_goes_back_to_both_its_sides(equation, shapes, on_map):
    net = Einsum(equation, on_map, *shapes)
    found = analyze(net, (5, 6))
    with FlopCounterMode(display=False) as counter, torch.backends.opt_einsum.flags(enabled=False):
        net(torch.rand(1, 5, 6)).sum().backward()
    assert (
        found.macs + found.macs_weight_gradient + found.macs_input_gradient == counter.get_total_flops() // 2
    )

"""The record of an analysis: its totals are its layers', whatever the module, and its keys are promised."""

import msgspec
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convblocks import analyze
from convblocks.records import Analysis
from tests.networks.test_network_spec import network, networks


@settings(max_examples=25, deadline=None)
@given(networks())
def test_layers_add_up_and_the_record_goes_to_json_and_back(spec):
    found = analyze(spec.build(), (spec.in_channels, *(9,) * spec.dims))
    for name in (
        "params",
        "macs",
        "macs_weight_gradient",
        "macs_input_gradient",
        "activations",
        "activation_bytes",
        "saved_bytes",
    ):
        assert sum(getattr(layer, name) for layer in found.layers) == getattr(found, name), name
    assert Analysis.from_json(found.to_json()) == found
    assert found.to_dict() == msgspec.json.decode(found.to_json())


def test_the_keys_that_are_promised():
    table = analyze(network().build(), (3, 8, 8)).to_dict()
    assert table.keys() >= {"params", "macs", "activation_bytes", "saved_bytes", "unknown_ops", "layers"}
    assert table["unknown_ops"] == []
    for layer in table["layers"]:
        assert layer.keys() >= {
            "name",
            "type",
            "output_shape",
            "params",
            "macs",
            "receptive_field",
            "productive",
        }
    first = next(layer for layer in table["layers"] if layer["type"] == "Conv2d")
    assert (first["name"], first["receptive_field"]) == ("stem.conv", [[1, -1, 1], [1, -1, 1]])


class Plain(nn.Module):
    """Every kind of product whose backward PyTorch's counter counts rightly: no groups, no fused attention."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 3, stride=2)
        self.up, self.out = nn.ConvTranspose2d(8, 5, 2, stride=2), nn.Linear(5, 7)
        self.frozen = nn.Linear(7, 7)
        self.frozen.weight.requires_grad_(False)
        self.table = nn.Parameter(torch.randn(3, 7))

    def forward(self, x):
        x = self.up(self.second(self.first(x))).flatten(2).transpose(1, 2)
        x = self.frozen(self.out(x))
        return F.softmax(x @ x.transpose(1, 2), -1) @ x @ self.table.T


def test_macs_of_the_backward_pass_are_pytorch_s():
    net = Plain()
    found = analyze(net, (3, 13, 13))
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, 13, 13)).sum().backward()
    assert (
        found.macs + found.macs_weight_gradient + found.macs_input_gradient == counter.get_total_flops() // 2
    )


class Head(nn.Module):
    """A body that hands on no gradient, and a head that learns."""

    def __init__(self, stop):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.ReLU(inplace=True))
        self.head, self.last, self.stop = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 4, 1), stop

    def forward(self, x):
        if self.stop == "no_grad":
            with torch.no_grad():
                x = self.body(x)
        else:
            x = self.body(x)
            if self.stop == "detach":
                x = x.detach()
            elif self.stop == "unused":
                self.last(self.head(x))
                x = x + 1
            elif self.stop == "written into a view":
                whole = x.clone()
                whole[:, 4:].add_(self.head(x))
                x = whole
        return self.last(self.head(x))


@pytest.mark.parametrize("stop", ["no_grad", "detach", "unused", "written into a view", "nothing"])
@pytest.mark.parametrize("frozen", [True, False])
def test_backward_costs_nothing_where_no_gradient_comes(stop, frozen):
    net = Head(stop)
    net.head.requires_grad_(not frozen)
    found = analyze(net, (3, 12, 12))
    with FlopCounterMode(display=False) as counter:
        out = net(torch.zeros(1, 3, 12, 12))
        forward = counter.get_total_flops() // 2
        out.sum().backward()
    assert found.macs == forward
    assert found.macs_weight_gradient + found.macs_input_gradient == counter.get_total_flops() // 2 - forward


def test_a_vector_that_learns_is_a_factor():
    class Scores(nn.Module):
        def __init__(self):
            super().__init__()
            self.project, self.query = nn.Linear(8, 8), nn.Parameter(torch.rand(8))

        def forward(self, x):
            return self.project(x) @ self.query

    scored = analyze(Scores(), (5, 8)).layers[-1]
    assert scored.macs == scored.macs_weight_gradient == scored.macs_input_gradient == 5 * 8


def test_a_grouped_convolution_s_backward_costs_twice_its_forward():
    """PyTorch's counter multiplies it by the groups."""
    found = analyze(nn.Sequential(nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, groups=4)), (8, 6, 6))
    grouped = found.layers[1]
    assert grouped.macs == 8 * 16 * 2 * 9
    assert grouped.macs_weight_gradient == grouped.macs_input_gradient == grouped.macs


def test_the_first_convolution_needs_no_gradient_of_the_image():
    first = analyze(nn.Conv2d(3, 4, 3), (3, 8, 8)).layers[0]
    assert (first.macs_weight_gradient, first.macs_input_gradient) == (first.macs, 0)


@pytest.mark.parametrize("weights", [True, False])
def test_attention_costs_twice_its_forward_on_the_way_back(weights):
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.project = nn.Linear(8, 8) if weights else nn.Identity()

        def forward(self, x):
            x = self.project(x).unsqueeze(1)
            return F.scaled_dot_product_attention(x, x, x)

    found = analyze(Attention(), (5, 8))
    attended = found.layers[-1]
    assert attended.macs == 2 * 5 * 5 * 8
    assert attended.macs_input_gradient == (4 * 5 * 5 * 8 if weights else 0)


def test_bytes_are_those_of_the_tensors_and_views_move_none():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.none = nn.Identity()

        def forward(self, x):
            return self.none(F.dropout(x, training=self.training)).flatten(1).relu_() + x.flatten(1)

    relu, add = analyze(Net(), (3, 4, 4)).layers
    elements = 3 * 4 * 4
    assert (relu.type, relu.bytes_read, relu.bytes_written) == ("relu_", 4 * elements, 4 * elements)
    assert (add.type, add.bytes_read, add.bytes_written) == ("add", 8 * elements, 4 * elements)
    half = analyze(Net(), (3, 4, 4), dtypes=[torch.bfloat16]).layers[0]
    assert half.bytes_read == 2 * elements


def test_a_layer_is_unproductive_once_its_input_sees_the_whole_image():
    """Three 3×3 convolutions see 3, 5 and 7 pixels: on 5 × 5 the third one's input sees all."""
    net = nn.Sequential(
        *[nn.Conv2d(1, 1, 3, padding=1) for _ in range(3)], nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    found = analyze(net, (1, 5, 5))
    assert [layer.productive for layer in found.layers] == [True, True, False, None, None]
    assert [layer.name for layer in found.unproductive] == ["2"]
    assert analyze(net, (1, 5, 6)).unproductive == ()


def test_a_parameter_counts_where_it_is_first_read():
    shared = nn.Conv2d(2, 2, 1)
    found = analyze(nn.Sequential(shared, nn.ReLU(), shared), (2, 4, 4))
    assert [layer.params for layer in found.layers] == [6, 0, 0]
    assert found.params == 6


def test_an_unknown_op_makes_lower_bounds():
    class Spectral(nn.Module):
        def forward(self, x):
            return torch.fft.rfft(x).abs() + 1

    found = analyze(Spectral(), (1, 8, 8))
    assert (found.unknown_ops, found.lower_bounds, found.unknown_share) == (("fft_rfft",), True, 1 / 3)
    assert found.receptive_field == (None, None)


def test_the_tree_s_parts_are_the_modules_that_were_called():
    parts = analyze(nn.Sequential(nn.Sequential(nn.Conv2d(1, 1, 1)), nn.Identity()), (1, 4, 4)).parts
    assert [(part.name, part.type) for part in parts] == [
        ("", "Sequential"),
        ("0", "Sequential"),
        ("0.0", "Conv2d"),
        ("1", "Identity"),
    ]


class Standardised(nn.Conv2d):
    """A leaf whose first op is on its weight alone (Qiao et al. 2019, arXiv:1903.10520)."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


def test_a_layer_that_works_on_its_weight_first_is_judged_by_its_input():
    net = nn.Sequential(*[Standardised(2, 2, 3, padding=1) for _ in range(4)])
    assert [layer.productive for layer in analyze(net, (2, 5, 5)).layers] == [True, True, False, False]


class Scaled(nn.Module):
    """A factor that sees all comes first, as torchvision's squeeze-excite multiplies."""

    def __init__(self):
        super().__init__()
        self.squash = nn.Sigmoid()

    def forward(self, x):
        return self.squash(x.mean((2, 3), keepdim=True)) * x


def test_a_layer_is_productive_while_one_of_its_inputs_does_not_see_all():
    found = analyze(nn.Sequential(nn.Conv2d(3, 4, 3), Scaled()), (3, 16, 16))
    assert [(layer.type, layer.productive) for layer in found.layers][-1] == ("mul", True)
    assert found.layers[-1].receptive_field == ("all", "all")
    assert found.layers[-1].local_field == ((1, 0, 2), (1, 0, 2))

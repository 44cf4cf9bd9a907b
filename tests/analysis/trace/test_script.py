"""TorchScript and norms of weights: a script is analysed as the module that it was made of."""

import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import analyze
from convblocks.analysis import trace
from convblocks.errors import TraceError
from convblocks.signal import signal

pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # torch's own, that TorchScript and weight_norm are deprecated


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.calls = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), 0
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        self.count.add_(1.0)
        return F.relu(self.norm(self.conv(x)) + x)


class Strided(nn.Module):
    def forward(self, x):
        return F.pad(x, [1, 1, 1, 1])[:, :, ::2, 1:][:, 1:]


def _network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), Residual(), nn.MaxPool2d(2), nn.Dropout(),
        nn.ConvTranspose2d(4, 4, 2, 2, groups=2), nn.Upsample(scale_factor=2.0), nn.GroupNorm(2, 4), nn.GELU(),
        Strided(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5),
    ).eval()  # fmt: skip


def _loaded(net):
    memory = io.BytesIO()
    torch.jit.save(torch.jit.script(net), memory)
    memory.seek(0)
    return torch.jit.load(memory)


def _partly(net):
    net[2] = torch.jit.script(net[2])
    return net


WAYS = {
    "script": torch.jit.script,
    "trace": lambda net: torch.jit.trace(net, torch.zeros(1, 3, 16, 16)),
    "load": _loaded,
    "a scripted part": _partly,
}


SAME = ("params", "trainable_params", "macs", "macs_weight_gradient", "macs_input_gradient", "activations")
SAME += ("saved_bytes", "receptive_field", "unknown_ops", "unsaved_ops")


@pytest.mark.parametrize("way", WAYS)
def test_a_script_has_the_figures_of_its_module(way):
    expected, found = analyze(_network(), (3, 16, 16)), analyze(WAYS[way](_network()), (3, 16, 16))
    assert {name: getattr(found, name) for name in SAME} == {name: getattr(expected, name) for name in SAME}
    assert sum(layer.params for layer in found.layers) == found.params
    assert {layer.name for layer in found.layers} >= {"2.conv", "2.norm"}


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_a_transposed_convolution_has_its_arguments_in_another_order(dims):
    layer = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)[dims - 1]
    net = nn.Sequential(layer(4, 4, 3, stride=2, padding=2, output_padding=1, groups=2, dilation=3)).eval()
    size = (4, *[12] * dims)
    ways = net, torch.jit.script(net), torch.jit.trace(net, torch.zeros(1, *size))
    expected, *found = (
        (a.local_field, a.macs, a.output_shape) for m in ways for a in analyze(m, size).layers[-1:]
    )
    assert found == [expected] * 2
    assert None not in expected[0]


def test_a_script_s_own_attributes_and_buffers_are_what_they_were():
    net = torch.jit.script(Residual().eval())
    analyze(net, (4, 8, 8))
    assert (net.calls, net.count.item(), net.training) == (0, 0.0, False)
    net(torch.zeros(1, 4, 8, 8))
    assert (net.calls, net.count.item()) == (1, 1.0)


def test_scripted_functions_and_methods_are_seen():
    def swish(x):
        return x * torch.sigmoid(x)

    scripted = torch.jit.script(swish)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return scripted(self.conv(x))[:, 1:, 0]

    seen = trace(Net(), (3, 8, 8))
    assert [op.name for op in seen.ops] == ["conv2d", "sigmoid", "mul", "__getitem__"]


def test_a_script_that_asks_for_a_value_is_refused_with_the_cause():
    class Chooses(nn.Module):
        def forward(self, x):
            if bool(x.sum() > 0):
                return x
            return -x

    with pytest.raises(TraceError, match="asks for a tensor's values"):
        trace(torch.jit.script(Chooses()), (3, 8, 8))


def test_the_signal_of_a_script_is_refused_with_the_cause():
    with pytest.raises(TraceError, match="give the module before it is scripted"):
        signal(torch.jit.script(_network()), torch.zeros(2, 3, 16, 16))


@pytest.mark.parametrize(
    "norm",
    [
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
        nn.utils.parametrizations.weight_norm,
        nn.utils.parametrizations.spectral_norm,
        nn.utils.parametrizations.orthogonal,
    ],
)
def test_norms_of_weights_are_known_and_can_be_measured(norm):
    net = nn.Sequential(norm(nn.Conv1d(3, 8, 3)), nn.ReLU(), norm(nn.Conv1d(8, 8, 3)))
    net(torch.zeros(1, 3, 16))  # their weights now have a history, with which they cannot be copied
    plain = nn.Sequential(nn.Conv1d(3, 8, 3), nn.ReLU(), nn.Conv1d(8, 8, 3))
    found, expected = analyze(net, (3, 16)), analyze(plain, (3, 16))
    assert (found.unknown_ops, found.receptive_field) == ((), expected.receptive_field)
    assert sum(layer.params for layer in found.layers) == found.params
    assert len(signal(net, torch.randn(4, 3, 16)).layers) == 2

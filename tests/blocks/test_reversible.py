"""The reversible block against its own plain chain, the published networks, and a hand-written coupling."""

import pytest
import torch
from torch import nn

from convblocks import BlockSpec, Network, ReversibleBlock, Stage, Stem
from convblocks.blocks import reversible as family
from convblocks.errors import OptionError
from convblocks.layers.reversible_chain import couple

SIZES = {1: (17,), 2: (8, 7), 3: (4, 5, 3)}


def step(block, x):
    """Output, input's and parameters' gradients, and buffers after a step."""
    x = x.clone().requires_grad_()
    out = block(x)
    out.sin().sum().backward()
    return [out, x.grad, *(p.grad for p in block.parameters()), *block.buffers()]


def assert_near(found, stored):
    """To 1e-4 of each tensor's length: what is reconstructed is rounded once a function."""
    for ours, theirs in zip(found, stored, strict=True):
        assert (ours - theirs).double().norm() <= 1e-4 * theirs.double().norm()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("norm", ["batch", "group", "layer", "instance", "none"])
@pytest.mark.parametrize("depth", [1, 4, 7, 24])
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_gradients_are_those_of_the_stored_version(monkeypatch, dims, depth, norm, stride):
    def trained():
        torch.manual_seed(0)
        block = ReversibleBlock(8, 8 * stride, stride=stride, depth=depth, norm=norm, dims=dims)
        return step(block, torch.randn(4, 8, *SIZES[dims]))

    found = trained()
    monkeypatch.setattr(family, "reversible", couple)
    assert_near(found, trained())


@pytest.mark.slow
@pytest.mark.parametrize(("activation", "dtype"), [("silu", torch.float32), ("relu", torch.float64)])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_gradients_at_depth_256(monkeypatch, norm, activation, dtype):
    """Not relu in single precision: there the stored version too is up to 2 % off its own in double precision,
    since here and there a rounding turns a unit on or off."""

    def trained():
        torch.manual_seed(0)
        block = ReversibleBlock(32, 32, depth=256, norm=norm, activation=activation).to(dtype)
        return step(block, torch.randn(4, 32, 16, 16, dtype=dtype))

    found = trained()
    monkeypatch.setattr(family, "reversible", couple)
    assert_near(found, trained())


class HandWritten(nn.Module):
    """The paper's unit, equations 6 and 8, and the first unit of its code where channels or size change."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()

        def function(given, step):
            return nn.Sequential(
                *(nn.BatchNorm2d(given), nn.ReLU(), nn.Conv2d(given, outputs, 3, step, 1, bias=False)),
                *(nn.BatchNorm2d(outputs), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)),
            )

        self.f, self.g = function(inputs, stride), function(outputs, 1)
        self.stride, self.more = stride, outputs - inputs

    def shortcut(self, x):
        x = nn.functional.avg_pool2d(x, self.stride)
        return torch.cat([x, x.new_zeros(x.shape[0], self.more, *x.shape[2:])], 1)

    def forward(self, x):
        x1, x2 = x.chunk(2, 1)
        y1 = self.shortcut(x1) + self.f(x2)
        y2 = self.shortcut(x2) + self.g(y1)
        return torch.cat([y1, y2], 1)


@pytest.mark.parametrize(("outputs", "stride"), [(8, 1), (16, 2), (12, 1)])
def test_four_convolutions_are_the_papers_unit(outputs, stride):
    block, hand = ReversibleBlock(8, outputs, stride=stride), HandWritten(4, outputs // 2, stride)
    kinds = nn.Conv2d | nn.BatchNorm2d
    layers = [[m for m in module.modules() if isinstance(m, nn.Conv2d)] for module in (block, hand)]
    norms = [[m for m in module.modules() if isinstance(m, nn.BatchNorm2d)] for module in (block, hand)]
    assert sum(isinstance(m, kinds) for m in block.modules()) == 8
    for ours, theirs in (*zip(*layers, strict=True), *zip(*norms, strict=True)):
        nn.init.uniform_(theirs.weight, -0.5, 1)
        ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 8, 6, 6)
    torch.testing.assert_close(block(x), hand(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("units", "channels", "layers", "millions"),
    [(3, (32, 32, 64, 112), 38, "0.46"), (9, (32, 32, 64, 128), 110, "1.73")],
)
def test_revnets_have_their_published_size(units, channels, layers, millions):
    """Gomez et al. 2017, table 2: each stage is one block; the stem and the classifier make the other two layers."""
    stem, *widths = channels
    spec = Network(
        in_channels=3,
        classes=10,
        stem=Stem(out_channels=stem),
        stages=tuple(
            Stage(block=BlockSpec("reversible", depth=4 * units), blocks=1, out_channels=width, stride=stride)
            for width, stride in zip(widths, (1, 2, 2), strict=True)
        ),
    )
    net = spec.build()
    assert sum(isinstance(m, nn.Conv2d | nn.Linear) for m in net.modules()) == layers
    assert f"{sum(p.numel() for p in net.parameters()) / 1e6:.2f}" == millions
    assert Network.from_toml(spec.to_toml()) == spec


@pytest.mark.parametrize("channels", [(7, 8), (8, 7)])
def test_odd_channels_are_refused(channels):
    with pytest.raises(OptionError, match=r"_channels=7: .*two halves; use an even number, e.g. 6 or 8"):
        ReversibleBlock(*channels)

"""Stems and heads against the same layers written by hand; feature maps against their stated sizes; exact costs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convblocks import BlockSpec, Network, Stage, Stem, network_cost
from convblocks.analysis import count
from convblocks.errors import OptionError
from convblocks.experiments.implementations import Frame
from convblocks.networks import GridHead, MeanHead, features
from tests.grid_of import grid_of

OLD = """{"in_channels": 3, "classes": 5, "dims": 2,
"stem": {"out_channels": 8, "kernel_size": 3, "stride": 1, "norm": "batch", "activation": "relu"},
"stages": [{"block": {"family": "residual"}, "blocks": 1, "out_channels": 8, "stride": 1}]}"""


def test_a_network_stored_before_heads_loads_and_has_its_keys():
    network = Network.from_json(OLD)
    assert network.head == MeanHead()
    keys = list(network.build().state_dict())
    assert {"stem.conv.weight", "stem.norm.weight", "head.linear.weight", "head.linear.bias"} < set(keys)
    assert [k for k in keys if k.startswith("head")] == ["head.linear.weight", "head.linear.bias"]


def copied(ours, by_hand):
    """`by_hand` with the weights of `ours`, in the order of registration."""
    values = [v for k, v in ours.state_dict().items() if "num_batches" not in k]
    keys = [k for k in by_hand.state_dict() if "num_batches" not in k]
    by_hand.load_state_dict(dict(zip(keys, values, strict=True)), strict=False)
    return by_hand


class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


HEADS = {
    "mean": (MeanHead(), lambda: [Mean(), nn.Linear(8, 5)]),
    "closing": (
        MeanHead(norm="batch", activation="relu"),
        lambda: [nn.BatchNorm2d(8), nn.ReLU(), Mean(), nn.Linear(8, 5)],
    ),
    "wide": (
        MeanHead(width=20, norm="batch", activation="silu", dropout=0.3),
        lambda: [nn.Conv2d(8, 20, 1, bias=False), nn.BatchNorm2d(20), nn.SiLU(), Mean(), nn.Linear(20, 5)],
    ),
    "convnext": (MeanHead(pooled_norm="layer"), lambda: [Mean(), nn.LayerNorm(8, eps=1e-6), nn.Linear(8, 5)]),
    "grid": (
        GridHead(grid=3, hidden=(7, 6)),
        lambda: [
            *(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(72, 7), nn.ReLU()),
            *(nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 5)),
        ],
    ),
}


@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_the_layers_written_by_hand(name):
    head, by_hand = HEADS[name]
    ours = head.build((4, 8), (1, 2), 5, 2).eval()
    x = torch.randn(2, 8, 9, 7)
    torch.testing.assert_close(ours(x), copied(ours, nn.Sequential(*by_hand()).eval())(x))


def test_dropout_stands_behind_each_hidden_layer():
    head = GridHead(hidden=(7, 6), dropout=0.25).build((8,), (1,), 5, 2)
    assert [m.p for m in head.modules() if isinstance(m, nn.Dropout)] == [0.25, 0.25]
    assert MeanHead(dropout=0.3).build((8,), (1,), 5, 2).dropout.p == 0.3


@st.composite
def networks(draw):
    dims = draw(st.integers(1, 3))
    strides = st.one_of(st.integers(1, 2), st.tuples(*[st.integers(1, 2)] * dims))
    stages = [
        Stage(
            block=draw(st.sampled_from([BlockSpec("residual"), BlockSpec("simple", depth=1, pool="max")])),
            blocks=draw(st.integers(1, 2)),
            out_channels=4 * draw(st.integers(1, 2)),
            stride=draw(strides),
        )
        for _ in range(draw(st.integers(1, 2)))
    ]
    pool = draw(st.sampled_from(["none", "max", "max3"]))
    made = Stem(out_channels=8, depth=draw(st.integers(1, 3)), stride=draw(strides), pool=pool)
    return Network(
        in_channels=3,
        classes=5,
        stem=draw(st.sampled_from([None, made])),
        stages=tuple(stages),
        head=draw(st.sampled_from([head for head, _ in HEADS.values()])),
        dims=dims,
    )


@settings(max_examples=40, deadline=None)
@given(networks())
def test_spec_cost_and_maps_of_any_network(network):
    for again in (Network.from_toml(network.to_toml()), Network.from_json(network.to_json())):
        assert again == network
    size = (64,) * network.dims
    with torch.device("meta"):
        x, whole, maps = torch.rand(2, 3, *size), network.build(), features(network)
    traced = count(whole, (3, *size))
    assert network_cost(network, size) == traced
    assert whole(x).shape == (2, 5)
    assert (maps.channels[-1], maps.reductions[-1]) == (network.channels[-1], network.reductions[-1])
    assert set(network.reductions) <= set(maps.reductions)
    assert len(set(maps.reductions)) == len(maps.reductions)
    for found, channels, reduction in zip(maps(x), maps.channels, maps.reductions, strict=True):
        reduction = (reduction,) * network.dims if isinstance(reduction, int) else reduction
        assert found.shape == (2, channels, *[-(-64 // r) for r in reduction])
    kept = {k for k in whole.state_dict() if not k.startswith("head.")}
    assert set(maps.state_dict()) == kept


def test_the_maps_are_those_that_the_classifier_sees():
    network = Network.from_json(OLD)
    whole, maps = network.build().eval(), features(network).eval()
    maps.load_state_dict(whole.state_dict(), strict=False)
    x = torch.rand(2, 3, 16, 16)
    assert torch.equal(whole.head(maps(x)[-1]), whole(x))


class Opened(nn.Module):
    """A pre-activation block of one convolution."""

    preactivated = True

    def __init__(self, in_channels, out_channels, *, stride=1, depth=1, norm="group", activation="silu"):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride, 1)

    def forward(self, x):
        return self.conv(x.relu())


def test_compare_closes_a_network_of_preactivated_blocks():
    frame = Frame(in_channels=3, size=(16, 16), classes=5, stages=1)
    (own, residual), _ = grid_of((2,), 1, (f"{__name__}:Opened", "residual"), (1,), (1,))
    network = frame.network(own, (8,))
    assert network.head == MeanHead(norm="group", activation="silu")
    assert (network.stem.norm, network.stem.activation, network.stem.bias) == ("none", "none", False)
    assert frame.network(residual, (8,)).head == MeanHead()


def test_other_blocks_classes_and_inputs():
    network = Network.from_json(OLD)
    changed = network.with_blocks("residual", depth=3).with_classes(7).with_in_channels(1)
    assert changed.stages[0].block == BlockSpec("residual", depth=3)
    assert changed.stages[0].blocks == network.stages[0].blocks
    assert changed.build()(torch.rand(2, 1, 8, 8)).shape == (2, 7)
    assert network.with_blocks(BlockSpec("simple"), stages=[]) == network
    assert network.with_blocks("simple", stages=0) == network.with_blocks("simple", stages=[0])
    assert network.with_blocks("simple", stages=-1).stages[-1].block == BlockSpec("simple")
    with pytest.raises(
        OptionError, match=r"^depth=7: comes beside BlockSpec\('residual'\), which has its options"
    ):
        network.with_blocks(BlockSpec("residual"), depth=7)
    for stages in (9, [0, 9], [False], "1", 1.5):
        with pytest.raises(OptionError, match=r"^stages=.*: expected numbers of stages from 0 to \d, not "):
            network.with_blocks("simple", stages=stages)

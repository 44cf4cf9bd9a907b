"""Padding by a map's own values: what torch cannot pad is refused in words, all else works."""

import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import ResidualBlock, SimpleConvBlock
from convblocks.analysis import count
from convblocks.errors import OptionError, TraceError
from convblocks.layers import ACTIVATIONS, ConvNormAct, NormActConv
from convblocks.layers.conv import PADDING_MODES


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_map_is_refused_just_where_torch_cannot_pad_it(mode, dims, kernel, n):
    """Judged by F.pad."""
    layer, x = ConvNormAct(2, 2, kernel, padding_mode=mode, dims=dims), torch.zeros(2, 2, *(n,) * dims)
    try:
        F.pad(x, (kernel // 2,) * 2 * dims, mode="constant" if mode == "zeros" else mode)
    except RuntimeError:
        with pytest.raises(OptionError, match=f"^padding_mode='{mode}': the map is {n}.*use zeros or repl"):
            layer(x)
    else:
        assert layer(x).shape == x.shape


def test_the_refusal_says_both_sizes():
    with pytest.raises(
        OptionError,
        match=r"^padding_mode='reflect': the map is 9×2, and such padding takes at least 2×3; use zeros or repl",
    ):
        ConvNormAct(1, 1, (3, 5), padding_mode="reflect")(torch.zeros(1, 1, 9, 2))
    with pytest.raises(TraceError, match="the map is 1×1, and such padding takes at least 2×2"):
        count(SimpleConvBlock(1, 1, padding_mode="reflect"), (1, 1, 1))


@pytest.mark.parametrize("mode", ["reflect", "circular"])
def test_such_a_block_can_be_copied_compiled_exported_and_traced(mode):
    block, x = ResidualBlock(2, 4, stride=2, padding_mode=mode).eval(), torch.randn(3, 2, 8, 9)
    expected = block(x)
    torch._dynamo.reset()
    exported = torch.export.export(block, (x,), dynamic_shapes={"x": {0: torch.export.Dim("n")}})
    for same in (
        copy.deepcopy(block),
        pickle.loads(pickle.dumps(block)),  # noqa: S301 - our own
        torch.compile(block, backend="aot_eager", fullgraph=True),
        exported.module(),
        torch.fx.symbolic_trace(block),
    ):
        with torch.no_grad():
            torch.testing.assert_close(same(x), expected, rtol=1e-5, atol=1e-5)
    assert count(block, (2, 8, 9)).macs > 0


def test_a_pre_activated_layer_by_hand():
    layer = NormActConv(3, 5, 3, 2)
    x = torch.randn(2, 3, 9, 8)
    expected = F.conv2d(F.batch_norm(x, None, None, training=True).relu(), layer.conv.weight, None, 2, 1)
    assert torch.equal(layer(x), expected)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_pre_activated_layer_leaves_its_input(norm, activation):
    x = torch.randn(2, 3, 9)
    before = x.clone()
    NormActConv(3, 3, norm=norm, activation=activation, dims=1)(x)
    assert torch.equal(x, before)


def test_dropout_stands_between_activation_and_convolution():
    """Of an input of ones each value that reaches the convolution is 0, or 1 / (1 − p)."""
    layer = NormActConv(1, 1, 1, norm="none", dropout=0.75, dims=1)
    nn.init.ones_(layer.conv.weight)
    nn.init.constant_(layer.conv.bias, 8)
    x = torch.ones(1, 1, 20_000)
    found = layer(x) - 8
    assert found.unique().tolist() == pytest.approx([0, 4])
    assert (found == 0).float().mean().item() == pytest.approx(0.75, abs=0.02)
    assert torch.equal(layer.eval()(-x), torch.full_like(x, 8))
    with pytest.raises(OptionError, match=r"dropout=1.0: expected a probability"):
        NormActConv(1, 1, dropout=1.0)

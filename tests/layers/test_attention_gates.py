"""Attention and layer scale against the papers' equations, written by hand for images, and against torchvision."""

import math

import pytest
import torch
import torch.nn.functional as F

from convblocks import BottleneckBlock, ResidualBlock
from convblocks.analysis import receptive_field, trace
from convblocks.layers import ATTENTIONS, SqueezeExcite, make_attention
from convblocks.layers.attention_gates import eca_kernel
from convblocks.targets.zoos import with_operators
from tests.analysis.memory.hooks import check


def hand_squeeze_excite(weights, x):
    mean = x.mean((2, 3))
    hidden = F.relu(F.linear(mean, weights["squeeze.weight"][:, :, 0, 0], weights["squeeze.bias"]))
    gates = torch.sigmoid(F.linear(hidden, weights["excite.weight"][:, :, 0, 0], weights["excite.bias"]))
    return x * gates[:, :, None, None]


def hand_eca(weights, x):
    """Equation 9: each channel's gate is a weighted sum over its k neighbours among the channels."""
    kernel, mean = weights["conv.weight"].flatten(), x.mean((2, 3))
    half = len(kernel) // 2
    gates = torch.zeros_like(mean)
    for channel in range(mean.shape[1]):
        for tap, weight in enumerate(kernel):
            neighbour = channel + tap - half
            if 0 <= neighbour < mean.shape[1]:
                gates[:, channel] += weight * mean[:, neighbour]
    return x * torch.sigmoid(gates)[:, :, None, None]


def hand_cbam(weights, x):
    def mlp(v):
        hidden = F.relu(F.linear(v, weights["0.mlp.0.weight"][:, :, 0, 0], weights["0.mlp.0.bias"]))
        return F.linear(hidden, weights["0.mlp.2.weight"][:, :, 0, 0], weights["0.mlp.2.bias"])

    flat = x.flatten(2)
    x = x * torch.sigmoid(mlp(flat.mean(2)) + mlp(flat.max(2).values))[:, :, None, None]
    pooled = torch.stack([x.mean(1), x.max(1).values], 1)
    return x * torch.sigmoid(F.conv2d(pooled, weights["1.conv.weight"], weights["1.conv.bias"], padding=3))


HANDS = {"squeeze_excite": hand_squeeze_excite, "eca": hand_eca, "cbam": hand_cbam}
NAMES = [name for name in ATTENTIONS if name != "none"]


@pytest.mark.parametrize("name", NAMES)
def test_equals_the_paper_s_equations(name):
    torch.manual_seed(0)
    attention = make_attention(name, 64).double()
    x = torch.randn(2, 64, 9, 7, dtype=torch.float64)
    torch.testing.assert_close(attention(x), HANDS[name](attention.state_dict(), x), rtol=1e-12, atol=1e-12)


def test_squeeze_excite_is_torchvision_s():
    misc = with_operators(lambda: __import__("torchvision.ops.misc", fromlist=["SqueezeExcitation"]))
    theirs = misc.SqueezeExcitation(32, 8, activation=torch.nn.SiLU)
    ours = SqueezeExcite(32, 8, activation="silu")
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    x = torch.randn(2, 32, 5, 6)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("channels", "kernel"), [(1, 1), (2, 1), (16, 3), (64, 3), (128, 5), (256, 5), (512, 5), (2048, 7)]
)
def test_eca_s_kernel_follows_the_channels(channels, kernel):
    """As the authors' code has it: int(|(log2 C + b) / γ|), and one more where that is even."""
    t = int(abs((math.log2(channels) + 1) / 2))
    assert eca_kernel(channels) == (t if t % 2 else t + 1) == kernel


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_gates_lie_between_0_and_1_and_show_every_output_every_input(name, dims):
    attention = make_attention(name, 6, dims)
    x = torch.rand(2, 6, *(5,) * dims) + 0.5
    out = attention(x)
    assert ((out > 0) & (out < x)).all()
    assert receptive_field(trace(attention, (6, *(5,) * dims))) == ("all",) * dims
    check(torch.nn.Sequential(torch.nn.Identity(), attention), (6, *(5,) * dims))


@pytest.mark.parametrize("family", [ResidualBlock, BottleneckBlock])
@pytest.mark.parametrize("name", NAMES)
def test_blocks_gate_their_main_path_before_the_addition(family, name):
    torch.manual_seed(0)
    plain, gated = family(8, 8).eval(), family(8, 8, attention=name).eval()
    missing, unexpected = gated.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected  # no key has changed
    assert missing
    assert all(key.startswith("attention.") for key in missing)
    x = torch.randn(2, 8, 6, 6)
    seen = []
    plain.stochastic_depth.register_forward_hook(lambda module, inputs, out: seen.append(out))
    plain(x)
    assert torch.equal(gated(x), (gated.attention(seen[0]) + x).relu())
    check(gated, (8, 6, 6))


def test_a_block_without_attention_keeps_its_keys():
    assert not any("attention" in key for key in ResidualBlock(4, 8).state_dict())

"""Fixup and SkipInit start a residual network at its shortcuts."""

import numpy as np
import pytest
import torch
from torch import nn

from convblocks import BLOCKS, BlockSpec, Network, Recipe, Stage, Stem
from convblocks.blocks import BottleneckBlock, ResidualBlock
from convblocks.blocks.block_spec import block_options
from convblocks.data.dataset import Split
from convblocks.layers.attention_gates import ATTENTIONS
from convblocks.layers.init import initialise_
from convblocks.networks.segmentation import UNetHead
from convblocks.training import train


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("make", "rates"),
    [
        (lambda: ResidualBlock(4, 4, depth=3, norm="none", branch_scale="one"), [8**-0.25] * 2),
        (lambda: BottleneckBlock(4, 4, depth=5, norm="none"), [8**-0.125] * 4),
        (lambda: ResidualBlock(4, 4, depth=1, norm="none", branch_scale="zero"), []),
    ],
)
def test_fixup_scales_the_first_layers_by_the_paper_s_power_of_the_number_of_branches(make, rates):
    plain, fixed = (nn.Sequential(*(make() for _ in range(8)), nn.Flatten(), nn.Linear(4, 3)) for _ in "12")
    torch.manual_seed(1)
    initialise_(plain, "he_normal")
    torch.manual_seed(1)
    initialise_(fixed, "fixup")
    for he, block in zip(plain[:8], fixed[:8], strict=True):
        pairs = [
            (a.weight, b.weight)
            for a, b in zip(he.modules(), block.modules(), strict=True)
            if isinstance(a, nn.Conv2d)
        ]
        assert len(pairs) == len(rates) + 1
        for (before, after), rate in zip(pairs, rates, strict=False):
            torch.testing.assert_close(after, rate * before)
        assert not pairs[-1][1].any()
        assert all(p.item() == 1 for name, p in block.named_parameters() if name.endswith(".scale"))
    assert not fixed[-1].weight.any()
    assert not fixed[-1].bias.any()
    x = torch.randn(2, 4, 1, 1)
    torch.testing.assert_close(fixed[:8](x), x.relu())  # every block is its shortcut


def as_it_starts(family, block, x):
    """What a block gives whose branches are 0, from the figures of the families."""
    if family == "reversible":
        a, b = x.chunk(2, dim=1)
        if block.first is not None:
            a, b = block.shortcut(b), block.shortcut(a)
        for _ in block.functions:
            a, b = b, a
        return torch.cat([a, b], 1)
    if getattr(block, "preactivated", False):
        return x if isinstance(block.shortcut, nn.Identity) else block.shortcut(x.relu())
    return block.shortcut(x).relu()


def fixup_settings():
    """(family, options) of every family with a norm to leave out and a shortcut, by each of its attentions."""
    for family in BLOCKS:
        known = block_options(family)
        if "norm" in known and isinstance(getattr(BLOCKS[family](4, 8), "shortcut", None), nn.Module):
            for attention in ATTENTIONS if "attention" in known else [None]:
                yield family, {"norm": "none"} | ({"attention": attention} if attention else {})
    yield "reversible", {"norm": "none", "depth": 8, "function_depth": 3}


@pytest.mark.parametrize(("family", "options"), list(fixup_settings()))
@pytest.mark.parametrize(("channels", "stride"), [(8, 1), (12, 2)])
def test_fixup_starts_every_family_as_its_shortcut(family, options, channels, stride):
    block = BLOCKS[family](8, channels, stride=stride, **options)
    initialise_(block, "fixup")
    x = torch.randn(2, 8, 6, 6)
    torch.testing.assert_close(block(x), as_it_starts(family, block, x), rtol=0, atol=0)


def test_fixup_starts_what_scores_each_position_at_zero():
    block = BlockSpec("residual", norm="none")
    stages = tuple(Stage(block=block, blocks=1, out_channels=width) for width in (8, 16))
    stem = Stem(out_channels=8, norm="none")
    net = Network(in_channels=1, classes=3, stem=stem, stages=stages, head=UNetHead(block=block)).build()
    initialise_(net, "fixup")
    assert not net(torch.randn(2, 1, 16, 16)).any()


@pytest.mark.parametrize("family", [ResidualBlock, BottleneckBlock])
@pytest.mark.parametrize(("channels", "stride"), [(8, 1), (16, 2)])
def test_skipinit_starts_as_the_shortcut_and_leaves_it(family, channels, stride):
    block = family(8, channels, stride=stride, norm="none", branch_scale="one")
    initialise_(block, "skipinit")
    x = torch.randn(2, 8, 6, 6)
    assert torch.equal(block(x), block.shortcut(x).relu())
    block(x).square().sum().backward()
    assert block.branch_scale.scale.grad != 0  # so that the first step opens the branch


def deep(**options):
    """50 residual blocks, 100 convolutions, no norm."""
    stage = Stage(block=BlockSpec("residual", norm="none", **options), blocks=50, out_channels=8)
    stem = Stem(out_channels=8, norm="none")
    return Network(in_channels=1, classes=4, stem=stem, stages=(stage,)).build()


def textures():
    """Rows, columns, a chequerboard or nothing, in noise."""
    rows, columns = np.indices((6, 6)) % 2 * 2.0 - 1
    patterns = np.stack([rows, columns, rows * columns, 0 * rows])
    y = np.arange(192) % 4
    x = patterns[y, None] + np.random.default_rng(0).normal(0, 0.3, (192, 1, 6, 6))
    return Split(x.astype(np.float32), y.astype(np.int64))


def test_a_hundred_layers_without_norms_train_with_fixup_and_diverge_with_he():
    data, recipe = textures(), Recipe(epochs=6, batch_size=16, learning_rate=0.05)
    found = {}
    for init, options in (("fixup", {"branch_scale": "one"}), ("he_normal", {})):
        torch.manual_seed(0)
        module = deep(**options)
        initialise_(module, init)
        found[init] = train(module, data, data, recipe, seed=0)
    assert "the loss became" in found["he_normal"].failure
    assert not found["fixup"].failure
    assert found["fixup"].epochs[-1].validation_score > 0.8

"""Initialisations: what each keeps at the start, against algebra, autograd and short trainings; and what it refuses."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from convblocks import BLOCKS, BlockSpec, Network, Recipe, Stage, Stem
from convblocks.blocks import BottleneckBlock, ResidualBlock, SimpleConvBlock
from convblocks.blocks.block_spec import block_options
from convblocks.data.dataset import Split
from convblocks.errors import OptionError
from convblocks.layers.attention_gates import ATTENTIONS, SqueezeExcite
from convblocks.layers.init import INITIALISATIONS, initialise_
from convblocks.networks.segmentation import UNetHead
from convblocks.training import train

PLAIN = {"norm": "none", "activation": "tanh"}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 4])
def test_a_delta_orthogonal_convolution_keeps_the_norm_of_any_input(dims, groups):
    block = SimpleConvBlock(8, 12, depth=1, kernel_size=5, groups=groups, padding_mode="circular", dims=dims)
    block.layers[0].norm = block.layers[0].activation = nn.Identity()
    initialise_(block, "delta_orthogonal")
    x = torch.randn(3, 8, *(7,) * dims)
    torch.testing.assert_close(block(x).flatten(1).norm(dim=1), x.flatten(1).norm(dim=1))
    weight = block.layers[0].conv.weight
    assert (weight != 0).sum() == 12 * 8 / groups  # the centre alone
    moved = torch.autograd.functional.jvp(block, x, torch.ones_like(x))[1]
    torch.testing.assert_close(moved.norm(), torch.ones_like(x).norm())


def test_relu_takes_the_gain_that_its_lost_half_needs():
    block = SimpleConvBlock(256, 256, depth=1, norm="none")
    initialise_(block, "delta_orthogonal")
    x = torch.randn(4, 256, 6, 6)
    assert (block(x).square().mean() / x.square().mean()).item() == pytest.approx(1, rel=0.03)
    centre = block.layers[0].conv.weight[:, :, 1, 1]
    torch.testing.assert_close(centre.T @ centre, 2 * torch.eye(256), rtol=0, atol=1e-4)


def gradient_norms(layers, channels):
    """‖∂loss/∂weight‖ of each convolution, and ‖∂loss/∂its output‖ of the first over the last, by autograd."""
    maps = [torch.randn(4, 1, 6, 6)]
    for layer in layers:
        maps.append(layer(maps[-1]))
    scores = nn.Linear(channels, 10)(maps[-1].mean((2, 3)))
    loss = nn.functional.cross_entropy(scores, torch.arange(4))
    weights = [layer.conv.weight for layer in layers]
    *of_weights, first, last = torch.autograd.grad(loss, [*weights, maps[1], maps[-1]])
    return [g.norm().item() for g in of_weights], first.norm().item() / last.norm().item()


def test_a_thousand_plain_layers_keep_the_gradient_with_delta_orthogonal_tanh_and_lose_it_with_he_relu():
    tanh = SimpleConvBlock(1, 32, depth=1000, **PLAIN)
    initialise_(tanh, "delta_orthogonal")
    norms, through = gradient_norms(tanh.layers, 32)
    assert len(norms) == 1000
    assert max(norms) / min(norms) < 10
    assert 0.1 < through < 10
    relu = SimpleConvBlock(1, 32, depth=1000, norm="none")
    initialise_(relu, "he_normal")
    norms, through = gradient_norms(relu.layers, 32)
    assert not 1e-3 < norms[0] / max(norms[-1], 1e-45) < 1e3
    assert not 1e-3 < through < 1e3


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


class _GatedInside(nn.Module):
    """A block of one's own that gates within its main path."""

    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1), SqueezeExcite(8, 2))
        self.shortcut = nn.Identity()

    def forward(self, x):
        return self.main(x) + self.shortcut(x)


def test_fixup_knows_gates_within_the_main_path():
    block = _GatedInside()
    initialise_(block, "fixup")
    x = torch.randn(2, 8, 5, 5)
    assert torch.equal(block(x), x)
    assert block.main[2].excite.weight.any()


def test_fixup_counts_each_function_of_a_reversible_block_as_a_branch():
    torch.manual_seed(1)
    plain = BLOCKS["reversible"](8, 8, depth=8, norm="none")
    he, fixed = (copy.deepcopy(plain) for _ in "12")
    torch.manual_seed(1)
    initialise_(he, "he_normal")
    torch.manual_seed(1)
    initialise_(fixed, "fixup")
    for before, after in zip(he.functions, fixed.functions, strict=True):  # 4 branches of 2 convolutions
        torch.testing.assert_close(after[0].conv.weight, 4**-0.5 * before[0].conv.weight)
        assert not after[1].conv.weight.any()


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


@pytest.mark.parametrize("family", [ResidualBlock, BottleneckBlock])
def test_the_scale_is_a_factor_of_the_branch_and_no_key_without_it(family):
    block = family(8, 8, branch_scale="one", activation="none").eval()
    plain = family(8, 8, activation="none").eval()
    assert set(block.state_dict()) - set(plain.state_dict()) == {"branch_scale.scale"}
    plain.load_state_dict(block.state_dict(), strict=False)
    x = torch.randn(2, 8, 5, 5)
    assert torch.equal(block(x), plain(x))
    nn.init.constant_(block.branch_scale.scale, 3.0)
    torch.testing.assert_close(block(x) - x, 3 * (plain(x) - x), rtol=1e-4, atol=1e-5)


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


class _Even(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 2)


REFUSALS = [
    (
        "delta_orthogonal",
        lambda: SimpleConvBlock(3, 8),
        "layers.0.norm is a BatchNorm2d; build it with norm='none'",
    ),
    ("delta_orthogonal", lambda: ResidualBlock(8, 8, **PLAIN), "the module joins what it keeps.*e.g. simple"),
    (
        "delta_orthogonal",
        lambda: SimpleConvBlock(8, 4, **PLAIN),
        "layers.0.conv has 8 in and 4 out; give it 8",
    ),
    (
        "delta_orthogonal",
        lambda: SimpleConvBlock(3, 8, norm="none", activation="gelu"),
        "not of GELU; use act",
    ),
    ("delta_orthogonal", _Even, r"conv has \(2, 2\); use an odd kernel_size"),
    (
        "fixup",
        lambda: ResidualBlock(8, 8, norm="layer"),
        "main.0.norm is a LayerNorm; build it with norm='none'",
    ),
    (
        "fixup",
        lambda: SimpleConvBlock(3, 8, norm="none"),
        "SimpleConvBlock has no module with a shortcut; use a fam",
    ),
    (
        "skipinit",
        lambda: SimpleConvBlock(3, 8),
        "SimpleConvBlock has no module with a shortcut; use a family",
    ),
    (
        "skipinit",
        lambda: nn.Sequential(ResidualBlock(8, 8)),
        "and 0 has none; build it with branch_scale='zero'",
    ),
    ("xavier", lambda: SimpleConvBlock(3, 8), "expected he_normal, delta_orthogonal, fixup or skipinit"),
]


@pytest.mark.parametrize(("init", "make", "message"), REFUSALS)
def test_a_module_to_which_it_cannot_apply_is_refused_with_the_mend_and_left_as_it_was(init, make, message):
    module = make()
    before = {name: t.clone() for name, t in module.state_dict().items()}
    with pytest.raises(OptionError, match=message) as refusal:
        initialise_(module, init)
    assert "\n" not in str(refusal.value)
    assert all(torch.equal(t, before[name]) for name, t in module.state_dict().items())


@pytest.mark.parametrize("family", BLOCKS)
def test_delta_orthogonal_takes_families_that_stand_in_one_row_and_no_others(family):
    """Even where norms and channels suit it: expansion 1, grown channels, branches made one."""
    known = block_options(family)
    wanted = {**PLAIN, "expansion": 1, "reparameterized": True, "groups": 1}
    options = {name: value for name, value in wanted.items() if name in known}
    block = nn.Sequential(BLOCKS[family](8, 8, **options))
    if family in ("simple", "repvgg"):
        initialise_(block, "delta_orthogonal")
        return
    expected = "without norms, and" if family == "convnext" else "plain stacks, and 0 joins what it keeps"
    with pytest.raises(OptionError, match=expected):
        initialise_(block, "delta_orthogonal")


def test_two_factors_at_zero_are_refused():
    with pytest.raises(OptionError, match=r"branch_scale='zero': .*zero_init=True sets too"):
        ResidualBlock(8, 8, zero_init=True, branch_scale="zero")
    with pytest.raises(OptionError, match="branch_scale='half': expected none, zero or one"):
        BottleneckBlock(8, 8, branch_scale="half")


def test_every_initialisation_says_what_it_is_made_for():
    assert list(INITIALISATIONS) == ["he_normal", "delta_orthogonal", "fixup", "skipinit"]
    assert all(init.made_for and init.start.__doc__ for init in INITIALISATIONS.values())


@pytest.mark.parametrize("init", INITIALISATIONS)
def test_a_recipe_takes_it(init):
    assert Recipe(init=init).init == init


def test_a_recipe_refuses_another():
    with pytest.raises(OptionError, match="init='he': expected he_normal"):
        Recipe(init="he")

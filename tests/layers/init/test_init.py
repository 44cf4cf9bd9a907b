"""Initialisations: what each keeps at the start, against algebra, autograd and short trainings; and what it refuses."""

import pytest
import torch
from torch import nn

from convblocks import Recipe
from convblocks.blocks import ResidualBlock, SimpleConvBlock
from convblocks.errors import OptionError
from convblocks.layers.init import INITIALISATIONS, initialise_

PLAIN = {"norm": "none", "activation": "tanh"}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


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


def test_every_initialisation_says_what_it_is_made_for():
    assert list(INITIALISATIONS) == ["he_normal", "delta_orthogonal", "fixup", "skipinit"]
    assert all(init.made_for and init.start.__doc__ for init in INITIALISATIONS.values())


@pytest.mark.parametrize("init", INITIALISATIONS)
def test_a_recipe_takes_it(init):
    assert Recipe(init=init).init == init


def test_a_recipe_refuses_another():
    with pytest.raises(OptionError, match="init='he': expected he_normal"):
        Recipe(init="he")

"""What is listed, and what matching promises."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convblocks import BLOCKS
from convblocks.analysis import count
from convblocks.errors import OptionError
from convblocks.experiments.implementations import Frame
from convblocks.experiments.matching import default_budget, solve
from convblocks.networks import network_cost
from convblocks.records import TOLERANCE
from tests.grid_of import grid_of, stages_of

FAMILIES = ("simple", "residual", "bottleneck")


def names(*arguments):
    return [i.name for i in grid_of(*arguments)[0]]


def test_the_default_grid():
    assert names((8,), 2, FAMILIES, (1, 2, 3, 4, 6), (1,)) == [
        "simple-d8",
        "residual-1-d8",
        "residual-2-d8",
        "residual-4-d8",
        "bottleneck-4-d8",
    ]


def test_the_design_s_example_d_12():
    """D = 12 as 1×12 simple, 6×2 residual, 4×3 bottleneck, on one stage."""
    found, _ = grid_of((12,), 1, FAMILIES, (2, 3), (1,))
    cut = {i.name: (i.blocks, i.block_depth) for i in found}
    assert cut["simple-d12"] == (1, 12)
    assert cut["residual-2-d12"] == (6, 2)
    assert cut["bottleneck-3-d12"] == (4, 3)


def test_groups_multiply_the_grid():
    assert "bottleneck-4-g8-d8" in names((8,), 2, FAMILIES, (4,), (1, 8))


def test_one_group_stands_for_a_family_s_own_number():
    assert names((6,), 1, ("bottleneck", "resnext"), (3,), (1, 8)) == [
        "bottleneck-3-d6",
        "bottleneck-3-g8-d6",
        "resnext-3-g32-d6",
        "resnext-3-g8-d6",
    ]


@pytest.mark.parametrize(("family", "unit"), [("residual", 8), ("bottleneck", 32), ("resnext", 1)])
def test_widths_are_multiples_of_what_the_groups_divide(family, unit):
    ((found,), _) = grid_of((6,), 1, (family,), (3,), (8,))
    assert found.unit == unit


ASIDE = {"shortcut", "downsample", "pointwise"}  # not on the main path


def test_every_family_of_ours_has_names_of_its_own_and_its_depth_is_counted_as_it_is():
    """Main paths are told from shortcuts by their keys; only the dense transition's pool has no weights."""
    found, notes = grid_of((6,), 1, tuple(BLOCKS), (2, 3, 6), (1,))
    assert not notes
    assert {i.family.name for i in found} == set(BLOCKS)
    assert len({i.name for i in found}) == len(found)
    for i in found:
        keys = i.block.build(64, 64, 2).state_dict()
        weights = [key for key, value in keys.items() if value.ndim == 4 and not ASIDE & {*key.split(".")}]
        assert len(weights) == i.block_depth, i.name


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(1, 60), st.integers(1, 4))
def test_every_implementation_has_the_stack_depth(depth, stages):
    try:
        found, _ = grid_of((depth,), stages, FAMILIES, (1, 2, 3, 4, 5, 6), (1,))
    except OptionError:
        assert depth % stages
        return
    for i in found:
        assert i.blocks * i.block_depth * stages == depth
    assert len({i.name for i in found}) == len(found)


def test_what_a_depth_does_not_allow_is_said():
    _, notes = grid_of((8,), 2, ("bottleneck",), (3,), (1,))
    assert notes == [
        "bottleneck: none of the block depths 3 fills the 4 layers of a stage at stack depth 8; "
        "give depth 12 or block depth 4"
    ]


@pytest.mark.parametrize(
    ("depth", "stages", "block_depths", "mend"),
    [
        (4, 4, (2, 4), "give 1 stage or depth 16"),
        (8, 4, (2, 4), "give 2 stages or depth 16"),
        (4, 1, (2,), "give block depth 4"),
        (4, 4, (2,), "give 1 stage and block depth 4"),
        (6, 2, (1, 2), "give block depth 3"),
        (2, 1, (1, 3), "give depth 3"),
        (2, 1, (1, 2), ""),
    ],
)
def test_what_a_family_lacks_is_mended_as_said(depth, stages, block_depths, mend):
    """The blocks of convnext have three layers or more."""
    found, (note,) = grid_of((depth,), stages, ("convnext",), block_depths, (1,))
    assert not found
    assert f"block depths {', '.join(map(str, block_depths))} fills" in note
    assert note.endswith(f"; {mend}" if mend else "two 1×1")
    for way in mend.removeprefix("give ").split(" or "):
        given = {noun: int(n) for n, noun in re.findall(r"(\d+) (stage)", way)}
        given |= {noun: int(n) for noun, n in re.findall(r"(block depth|(?<!block )depth) (\d+)", way)}
        if given:
            depths = (given["block depth"],) if "block depth" in given else block_depths
            mended = (given.get("depth", depth),), given.get("stage", stages), ("convnext",), depths, (1,)
            assert grid_of(*mended)[0]


class PickyBlock(nn.Module):
    """A user's own family that takes no depth but 1; its weights would not fit into any memory."""

    def __init__(self, in_channels, out_channels, *, stride=1, depth=1):
        super().__init__()
        if depth != 1:
            raise RuntimeError(f"no\nsupport for {depth} layers")
        self.weight = nn.Parameter(torch.empty(2**25, 2**25))  # 4 PB


PICKY = f"{__name__}:PickyBlock"


def test_a_block_is_tried_without_memory_and_the_reason_of_a_failure_kept():
    failure = f"BlockSpec('{PICKY}', depth=2) with in_channels=960, out_channels=960: no support for 2 layers"
    found, notes = grid_of((4,), 1, (PICKY,), (1, 2), (1,))
    assert [i.block_depth for i in found] == [1]
    assert notes == [f"{PICKY}: {failure}"]
    found, notes = grid_of((4,), 1, (PICKY,), (2, 3), (1,))
    assert not found
    assert notes == [
        f"{PICKY}: none of the block depths 2, 3 fills the 4 layers of a stage at stack depth 4; {failure}; "
        "give block depth 1"
    ]
    _, (note,) = grid_of((4,), 1, ("bottleneck",), (1, 2), (1,))
    assert note.endswith(
        "at stack depth 4; depth: got 2; expected a whole number of at least 3: "
        "1×1, at least one k×k, 1×1; for fewer use ResidualBlock; give block depth 4"
    )


def test_refusals():
    with pytest.raises(OptionError, match="depths=7: 2 stages cannot share it evenly; use 6 or 8"):
        grid_of((7,), 2, FAMILIES, (1,), (1,))
    with pytest.raises(OptionError, match=r"families='residul': .*did you mean 'residual'"):
        grid_of((8,), 2, ("residul",), (1,), (1,))
    with pytest.raises(
        OptionError, match=r"two of them give designs called residualblock-2-d8; .*rename one"
    ):
        grid_of((8,), 2, ("convblocks:ResidualBlock", "convblocks.blocks:ResidualBlock"), (2,), (1,))
    with pytest.raises(OptionError, match=r"families='convblocks.layers:ConvNormAct': .*no option depth"):
        grid_of((8,), 2, ("convblocks.layers:ConvNormAct",), (1,), (1,))


@pytest.mark.parametrize(
    ("size", "depths", "families", "stages"),
    [
        ((8, 8), (8, 56), FAMILIES, 2),
        ((32, 32), (8, 56), FAMILIES, 2),  # of 4 layers, where a bottleneck fits; 4 stages leave 2
        ((64, 64), (8, 56), FAMILIES, 2),
        ((8, 8), (8, 56), ("simple", "residual"), 2),
        ((32, 32), (8, 56), ("simple", "residual"), 4),
        ((64, 64), (8, 56), ("simple", "residual"), 4),
        ((32, 32), (16, 56), FAMILIES, 2),  # 56 / 4 = 14: 7 × 2, no 3, 4 or 6
        ((32, 32), (12,), FAMILIES, 4),
        ((32, 32), (9,), FAMILIES, 3),
        ((224, 224), (8,), FAMILIES, 2),
        ((224, 224), (24,), FAMILIES, 4),
        ((28, 28), (7,), FAMILIES, 1),
        ((2, 2), (4,), FAMILIES, 1),
        ((32, 32), (2,), FAMILIES, 2),  # a bottleneck fits nowhere, so the most stages
    ],
)
def test_default_stages(size, depths, families, stages):
    assert stages_of(size, depths, families, (1, 2, 3, 4, 6), (1, 8)) == stages


@pytest.mark.parametrize("size", [8, 32, 64])
def test_every_default_family_is_compared_at_every_default_depth(size):
    grid = FAMILIES, (1, 2, 3, 4, 6), (1,)
    found, notes = grid_of((8, 56), stages_of((size, size), (8, 56), *grid), *grid)
    assert {(i.family.name, i.stack_depth) for i in found} == {(f, d) for f in FAMILIES for d in (8, 56)}
    assert notes == []


@settings(max_examples=25, deadline=None)
@given(
    size=st.lists(st.integers(1, 300), min_size=1, max_size=3),
    stages=st.integers(1, 3),
    family=st.sampled_from(FAMILIES),
)
def test_a_network_for_any_size_of_example(size, stages, family):
    """No axis is strided away: the last map has at least half of SMALLEST_MAP, or all of a short axis."""
    frame = Frame(1, tuple(size), 3, stages)
    (implementation, *_), _ = grid_of((4 * stages,), stages, (family,), (4,), (1,))
    network = frame.network(implementation, tuple(8 * 2**i for i in range(stages)))
    assert network_cost(network, tuple(size)).macs > 0


@pytest.mark.parametrize("match", ["macs", "params", "activations"])
def test_all_designs_cost_the_same_within_3_percent_or_say_so(match):
    frame = Frame(1, (8, 8), 10, 2)
    found, _ = grid_of((8, 16), 2, FAMILIES, (1, 2, 4), (1, 8))
    budget = default_budget(frame, found[0], match)
    matched = [solve(frame, i, match, budget) for i in found]
    assert sum(not m.problem for m in matched) > len(matched) / 2
    for m in matched:
        module = m.network.build()
        traced = getattr(count(module.to("meta"), (1, 8, 8)), match)
        within = abs(traced - budget) <= TOLERANCE * budget
        assert within == (not m.problem), m.implementation.name


def test_a_budget_out_of_reach_is_a_problem_that_says_how_far():
    frame = Frame(1, (8, 8), 10, 2)
    (simple, *_), _ = grid_of((56,), 2, ("simple",), (1,), (1,))
    narrowest = solve(frame, simple, "macs", 100)
    assert f"off the budget of 100; choose another budget, e.g. {narrowest.cost.macs}" in narrowest.problem


def test_without_matching_all_have_the_same_widths():
    frame = Frame(1, (8, 8), 10, 2)
    found, _ = grid_of((8,), 2, FAMILIES, (2, 4), (1,))
    assert {solve(frame, i, "none", None).widths for i in found} == {(32, 64)}

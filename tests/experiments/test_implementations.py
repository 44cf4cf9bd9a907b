"""What is listed, and what matching promises."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convblocks.analysis import count
from convblocks.errors import OptionError, SpecError
from convblocks.experiments.implementations import Frame, default_stages, implementations
from convblocks.experiments.matching import TOLERANCE, default_budget, solve
from convblocks.networks import network_cost

FAMILIES = ("simple", "residual", "bottleneck")


def names(*arguments):
    return [i.name for i in implementations(*arguments)[0]]


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
    found, _ = implementations((12,), 1, FAMILIES, (2, 3), (1,))
    cut = {i.name: (i.blocks, i.block_depth) for i in found}
    assert cut["simple-d12"] == (1, 12)
    assert cut["residual-2-d12"] == (6, 2)
    assert cut["bottleneck-3-d12"] == (4, 3)


def test_groups_multiply_the_grid():
    assert "bottleneck-4-g8-d8" in names((8,), 2, FAMILIES, (4,), (1, 8))


@given(st.integers(1, 60), st.integers(1, 4))
def test_every_implementation_has_the_stack_depth(depth, stages):
    try:
        found, _ = implementations((depth,), stages, FAMILIES, (1, 2, 3, 4, 5, 6), (1,))
    except OptionError:
        assert depth % stages
        return
    for i in found:
        assert i.blocks * i.block_depth * stages == depth
    assert len({i.name for i in found}) == len(found)


def test_what_a_depth_does_not_allow_is_said():
    _, notes = implementations((8,), 2, ("bottleneck",), (3,), (1,))
    assert notes == ["bottleneck: none of the block depths 3 fills the 4 layers of a stage at stack depth 8"]


def test_refusals():
    with pytest.raises(OptionError, match="depth=7: 2 stages cannot share it evenly; use 6 or 8"):
        implementations((7,), 2, FAMILIES, (1,), (1,))
    with pytest.raises(SpecError, match="did you mean 'residual'"):
        implementations((8,), 2, ("residul",), (1,), (1,))
    with pytest.raises(OptionError, match="two of them give designs called residualblock-2-d8; rename one"):
        implementations((8,), 2, ("convblocks:ResidualBlock", "convblocks.blocks:ResidualBlock"), (2,), (1,))
    with pytest.raises(SpecError, match="no option depth"):
        implementations((8,), 2, ("convblocks.layers:ConvNormAct",), (1,), (1,))


@pytest.mark.parametrize(
    ("size", "depths", "stages"),
    [
        ((8, 8), (8, 56), 2),
        ((32, 32), (8, 56), 4),
        ((32, 32), (9,), 3),
        ((224, 224), (8,), 4),
        ((28, 28), (7,), 1),
        ((2, 2), (4,), 1),
    ],
)
def test_default_stages(size, depths, stages):
    assert default_stages(size, depths) == stages


@settings(max_examples=25, deadline=None)
@given(
    size=st.lists(st.integers(1, 300), min_size=1, max_size=3),
    stages=st.integers(1, 3),
    family=st.sampled_from(FAMILIES),
)
def test_a_network_for_any_size_of_example(size, stages, family):
    """No axis is strided away: the last map has at least half of SMALLEST_MAP, or all of a short axis."""
    frame = Frame(1, tuple(size), 3, stages)
    (implementation, *_), _ = implementations((4 * stages,), stages, (family,), (4,), (1,))
    network = frame.network(implementation, tuple(8 * 2**i for i in range(stages)))
    assert network_cost(network, tuple(size)).macs > 0


@pytest.mark.parametrize("match", ["macs", "params", "activations"])
@pytest.mark.parametrize("groups", [(1,), (1, 8)])
def test_all_designs_cost_the_same_within_3_percent_or_say_so(match, groups):
    frame = Frame(1, (8, 8), 10, 2)
    found, _ = implementations((8, 16), 2, FAMILIES, (1, 2, 4), groups)
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
    (simple, *_), _ = implementations((56,), 2, ("simple",), (1,), (1,))
    assert "off the budget of 100; choose another budget" in solve(frame, simple, "macs", 100).problem


def test_without_matching_all_have_the_same_widths():
    frame = Frame(1, (8, 8), 10, 2)
    found, _ = implementations((8,), 2, FAMILIES, (2, 4), (1,))
    assert {solve(frame, i, "none", None).widths for i in found} == {(32, 64)}

"""A space's costs against tracing each network whole."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convblocks import BlockSpec, NetworkSpace, StageChoices, Stem, network_cost, space_costs
from convblocks.analysis import count
from convblocks.errors import OptionError, SpecError


class Shrinking(nn.Conv2d):
    """Without padding: a map loses two positions in each block."""

    def __init__(self, in_channels, out_channels, *, stride=1):
        super().__init__(in_channels, out_channels, 3, stride)


class Odd(nn.Module):
    """An op that no rule counts."""

    def __init__(self, in_channels, out_channels, *, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1, stride)

    def forward(self, x):
        return torch.special.bessel_j0(self.conv(x))


SHRINKING, ODD = BlockSpec(f"{__name__}:Shrinking"), BlockSpec(f"{__name__}:Odd")


def space(*stages, dims=2):
    return NetworkSpace(in_channels=3, classes=5, stem=Stem(out_channels=8), stages=stages, dims=dims)


def choices(*blocks, counts=(1, 2, 5), widths=(8, 12, 16), stride=2):
    return StageChoices(block=blocks, blocks=counts, out_channels=widths, stride=stride)


def traced(network, size):
    with torch.device("meta"):
        found = count(network.build(), (network.in_channels, *size))
    return found.params, found.macs, found.activations


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([(1, (23,)), (2, (9, 12)), (3, (5, 6, 4))]))
def test_every_cost_is_that_of_a_trace_of_the_whole_network(seed, sized):
    dims, size = sized
    first = choices(BlockSpec("simple", depth=2), BlockSpec("residual", groups=4), stride=1)
    second = choices(BlockSpec("bottleneck"), BlockSpec("residual", depth=3), BlockSpec("simple", pool="max"))
    networks = space(first, second, dims=dims)
    drawn = networks.draw(3, seed)
    costs = space_costs(networks, drawn, size)
    for i, choice in enumerate(drawn):
        found = costs.params[i], costs.macs[i], costs.activations[i]
        assert found == traced(networks.network(choice), size)


def test_a_call_adds_what_the_calls_before_it_had_not_met():
    networks = space(
        choices(BlockSpec("residual")), choices(BlockSpec("simple", depth=1), SHRINKING, counts=(1,))
    )
    drawn = networks.draw(40, seed=3)
    one_by_one = [space_costs(networks, drawn[i : i + 1], (16, 16)).macs[0] for i in range(len(drawn))]
    at_once = space_costs(networks, drawn, (16, 16)).macs
    assert one_by_one == at_once.tolist()
    assert len(set(one_by_one)) > 10


def test_how_many_there_are_and_which_are_drawn():
    networks = space(choices(BlockSpec("residual")), choices(BlockSpec("simple"), BlockSpec("bottleneck")))
    assert networks.networks == 9 * 18
    drawn = networks.draw(5000, seed=0)
    assert len({networks.network(choice) for choice in np.unique(drawn, axis=0)}) == 9 * 18
    assert (networks.draw(9, seed=0) == drawn[:9]).all()


@pytest.mark.parametrize("blocks", [1, 2, 4])
def test_a_block_that_shrinks_the_map_costs_less_each_time(blocks):
    networks = space(choices(SHRINKING, counts=(blocks,), stride=1))
    choice = np.zeros((1, 1, 3), dtype=int)
    network = networks.network(choice[0])
    cost = network_cost(network, (16, 16))
    assert (cost.params, cost.macs, cost.activations) == traced(network, (16, 16))
    found = space_costs(networks, choice, (16, 16))
    assert (found.params[0], found.macs[0], found.activations[0]) == traced(network, (16, 16))


def test_no_networks_have_no_costs():
    networks = space(choices(BlockSpec("residual")), choices(BlockSpec("simple", depth=6)))
    assert space_costs(networks, networks.draw(1)[:0], (8, 8)).macs.shape == (0,)


def test_what_cannot_be_costed_is_refused():
    networks = space(choices(BlockSpec("residual")))
    for wrong in (np.zeros((4, 3), dtype=int), np.zeros((4, 2, 3), dtype=int), np.zeros((4, 1, 3))):
        with pytest.raises(OptionError, match=r"choices=.*expected whole numbers of shape \(n, 1, 3\)"):
            space_costs(networks, wrong, (8, 8))
    for place in (-1, 3):
        with pytest.raises(OptionError, match=r"choices=.*expected places from 0, below \[\(1, 3, 3\)\]"):
            space_costs(networks, np.full((1, 1, 3), place), (8, 8))
    with pytest.raises(SpecError, match=r"no rule counts .*bessel_j0"):
        space_costs(space(choices(ODD)), np.zeros((1, 1, 3), dtype=int), (8, 8))
    with pytest.raises(SpecError, match=r"^stages\[0\].block.groups: got 5"):
        space_costs(space(choices(BlockSpec("residual", groups=5))), np.zeros((1, 1, 3), dtype=int), (8, 8))
    with pytest.raises(SpecError, match=r"^stages\[0\].blocks: got no choice"):
        space(choices(BlockSpec("residual"), counts=()))

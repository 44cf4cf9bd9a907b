"""Finds the widths at which a network meets a budget of MACs or parameters."""

from math import lcm

from msgspec.structs import replace

from convblocks.analysis.cost import Cost
from convblocks.analysis.trace.graph import Shape
from convblocks.blocks.block_spec import meta_block
from convblocks.checks import whole
from convblocks.errors import OptionError, SpecError
from convblocks.networks.network_cost import network_cost
from convblocks.networks.network_spec import Network, Stage
from convblocks.networks.widths import WIDEST, Widths, family_unit, fit_widths, width_unit
from convblocks.records import TOLERANCE

MOST_STEPS = 4
"""Stages, the last ones, whose widths are tried one step up and down."""


def with_budget(
    network: Network, size: Shape, *, macs: int | None = None, params: int | None = None
) -> Network:
    """Scales the widths of stem and stages alike to come nearest to a budget.

    A head keeps widths of its own (MobileNetV2's last 1,280, the hidden layers of AlexNet and VGG), which may be most
    of the parameters: give it others first. Groups and families keep dividing what they split.

    Args:
        network: the network to scale.
        size: the input's spatial size, at which MACs are counted.
        macs: the budget in multiply-accumulates for one example.
        params: the budget in parameters, in place of `macs`.

    Raises:
        OptionError: no budget or two, or one that no widths meet within 3 %.
    """
    if (macs is None) == (params is None):
        raise OptionError("macs, params", (macs, params), "expected one of the two")
    unit = "params" if macs is None else "macs"
    budget = whole(unit, params if macs is None else macs, at_least=1, at_most=2**62)

    def cost_of(candidate: Network) -> int:
        cost: Cost = network_cost(candidate, size)
        return cost.params if macs is None else cost.macs

    def spent_at(widths: Widths) -> int:
        return cost_of(_with_widths(network, widths))

    widest, stepped = max(network.channels), min(MOST_STEPS, len(network.stages))
    widths = fit_widths(
        budget,
        spent_at,
        lambda factor: [width * factor for width in (network.entering, *network.channels)],
        _units(network),
        most=WIDEST / widest,
        step=0.25 / widest,
        reach=[*[0] * (1 + len(network.stages) - stepped), *[1] * stepped],
    )
    best = _with_widths(network, widths)
    if abs(cost_of(best) - budget) > TOLERANCE * budget:
        raise OptionError(
            unit, budget, f"the nearest widths {'/'.join(map(str, best.channels))} give {cost_of(best):,}"
        )
    return best


def _units(network: Network) -> list[int]:
    """Returns the number that each map's channels must be a multiple of, the stem's first.

    The stages before and behind the map decide it.
    """
    out_units = [1, *(width_unit(stage.block, network.dims) for stage in network.stages)]
    in_units = [*(_input_unit(stage, network.dims) for stage in network.stages), 1]
    return [lcm(out_unit, in_unit) for out_unit, in_unit in zip(out_units, in_units, strict=True)]


def _input_unit(stage: Stage, dims: int) -> int:
    """Returns the family's multiple, times the groups if they split the block's input."""
    unit, groups = family_unit(stage.block), stage.block.option("groups") or 1
    try:
        meta_block(stage.block, unit * (groups + 1), stage.out_channels, stage.stride, dims)
    except SpecError:
        return unit * groups
    return unit


def _with_widths(network: Network, widths: Widths) -> Network:
    """Returns the network with the stem's and each stage's width."""
    entering, *of_stages = widths
    stages = (
        replace(stage, out_channels=width) for stage, width in zip(network.stages, of_stages, strict=True)
    )
    stem = replace(network.stem, out_channels=entering) if network.stem else None
    return replace(network, stem=stem, stages=tuple(stages))

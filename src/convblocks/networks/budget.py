"""Finds the widths at which a network meets a budget of MACs or parameters."""

from collections.abc import Callable
from contextlib import suppress
from itertools import product
from math import lcm

from msgspec.structs import replace

from convblocks.analysis.cost import Cost
from convblocks.analysis.trace.graph import Shape
from convblocks.blocks.block_spec import block_class, meta_block
from convblocks.checks import whole
from convblocks.errors import OptionError, SpecError
from convblocks.networks.network_cost import network_cost
from convblocks.networks.network_spec import Network, Stage
from convblocks.records import TOLERANCE

WIDEST = 65_536
MOST_STEPS = 4
"""Stages whose widths are tried one step up and down."""


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

    widest = max(network.channels)
    factor = least_that_spends(
        budget, lambda factor: cost_of(_scaled(network, factor)), most=WIDEST / widest, step=0.25 / widest
    )
    best = min(_near(_scaled(network, factor)), key=lambda candidate: abs(cost_of(candidate) - budget))
    if abs(cost_of(best) - budget) > TOLERANCE * budget:
        widths = "/".join(map(str, best.channels))
        raise OptionError(unit, budget, f"the nearest widths {widths} give {cost_of(best):,}")
    return best


def least_that_spends(
    budget: int, cost_at: Callable[[float], int], *, most: float, step: float, least: float = 1e-6
) -> float:
    """Returns the least number up to `most`, to within `step`, whose cost is the budget; the cost must grow with it."""
    low, high = 0.0, most
    while high - low > step and high > least:
        middle = (low + high) / 2
        low, high = (middle, high) if cost_at(middle) < budget else (low, middle)
    return high


def _units(network: Network) -> list[int]:
    """Returns the number that each map's channels must be a multiple of, the stem's first.

    The stages before and behind the map decide it.
    """
    out_units = [1, *map(_unit, network.stages)]
    in_units = [*(_input_unit(stage, network.dims) for stage in network.stages), 1]
    return [lcm(out_unit, in_unit) for out_unit, in_unit in zip(out_units, in_units, strict=True)]


def _unit(stage: Stage) -> int:
    groups = stage.block.option("groups") or 1
    return _family_multiple(stage) * groups * ((stage.block.option("expansion") or 1) if groups > 1 else 1)


def _input_unit(stage: Stage, dims: int) -> int:
    """Returns the family's multiple, times the groups if they split the block's input."""
    unit, groups = _family_multiple(stage), stage.block.option("groups") or 1
    try:
        meta_block(stage.block, unit * (groups + 1), stage.out_channels, stage.stride, dims)
    except SpecError:
        return unit * groups
    return unit


def _family_multiple(stage: Stage) -> int:
    multiple: int = getattr(block_class(stage.block.family), "channels_multiple_of", 1)
    return multiple


def _scaled(network: Network, factor: float) -> Network:
    return _at(network, [network.entering * factor, *(width * factor for width in network.channels)])


def _at(network: Network, widths: list[float]) -> Network:
    """Returns the network with these widths of stem and stages, rounded to what groups and families divide."""
    entering, *rounded = (
        max(1, round(width / unit)) * unit for width, unit in zip(widths, _units(network), strict=True)
    )
    stages = (
        replace(stage, out_channels=width) for stage, width in zip(network.stages, rounded, strict=True)
    )
    stem = replace(network.stem, out_channels=entering) if network.stem else None
    return replace(network, stem=stem, stages=tuple(stages))


def _near(network: Network) -> list[Network]:
    """Returns the network, and those whose last stages are one step wider or narrower, each on its own."""
    fixed = max(0, len(network.stages) - MOST_STEPS)
    steps = [(0,)] * fixed + [(-1, 0, 1)] * (len(network.stages) - fixed)
    networks, (_, *units) = [network], _units(network)
    for ns in product(*steps):
        widths = [w + n * unit for w, n, unit in zip(network.channels, ns, units, strict=True)]
        # a block may refuse to lose channels
        with suppress(SpecError):
            networks.append(_at(network, [network.entering, *widths]))
    return networks

"""The same network at the widths that meet a budget."""

from contextlib import suppress
from itertools import product

from msgspec.structs import replace

from convblocks.analysis.cost import Cost
from convblocks.analysis.trace.shapes import Shape
from convblocks.errors import OptionError, SpecError
from convblocks.layers.check import whole
from convblocks.networks.cost import network_cost
from convblocks.networks.spec import Network, Stage
from convblocks.networks.stem import Stem

TOLERANCE = 0.03
WIDEST = 65_536
MOST_STEPS = 4  # stages whose widths are tried one step up and down


def with_budget(
    network: Network, size: Shape, *, macs: int | None = None, params: int | None = None
) -> Network:
    """The network with all widths scaled alike to come nearest to that many MACs or parameters at `size`.

    Groups keep dividing what they split. Raises OptionError for no budget or two, and for one that no widths meet
    within 3 %.
    """
    if (macs is None) == (params is None):
        raise OptionError("macs, params", (macs, params), "expected one of the two")
    kind = "params" if macs is None else "macs"
    budget = whole(kind, params if macs is None else macs, at_least=1, at_most=2**62)

    def spent(candidate: Network) -> int:
        cost: Cost = network_cost(candidate, size)
        return cost.params if macs is None else cost.macs

    low, high = 0.0, WIDEST / max(network.channels)
    while high - low > 0.25 / max(network.channels) and high > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if spent(_scaled(network, middle)) < budget else (low, middle)
    best = min(_near(_scaled(network, high)), key=lambda candidate: abs(spent(candidate) - budget))
    if abs(spent(best) - budget) > TOLERANCE * budget:
        widths = "/".join(map(str, best.channels))
        raise OptionError(kind, budget, f"the nearest widths {widths} give {spent(best):,}")
    return best


def _unit(stage: Stage) -> int:
    groups = stage.block.option("groups") or 1
    return groups * (stage.block.option("expansion") or 1) if groups > 1 else 1


def _scaled(network: Network, factor: float) -> Network:
    stem = network.stem
    if stem:
        stem = replace(stem, out_channels=max(1, round(stem.out_channels * factor)))
    return _at(network, tuple(width * factor for width in network.channels), stem)


def _at(network: Network, widths: tuple[float, ...], stem: Stem | None) -> Network:
    """Each stage's width rounded to what its groups divide."""
    stages = [
        replace(stage, out_channels=max(1, round(width / _unit(stage))) * _unit(stage))
        for stage, width in zip(network.stages, widths, strict=True)
    ]
    return replace(network, stem=stem, stages=tuple(stages))


def _near(network: Network) -> list[Network]:
    """Its last stages one step wider and narrower, each on its own."""
    fixed = max(0, len(network.stages) - MOST_STEPS)
    steps = [(0,)] * fixed + [(-1, 0, 1)] * (len(network.stages) - fixed)
    found = [network]
    for ns in product(*steps):
        widths = tuple(s.out_channels + n * _unit(s) for s, n in zip(network.stages, ns, strict=True))
        with suppress(SpecError):  # a block may refuse to lose channels
            found.append(_at(network, widths, network.stem))
    return found

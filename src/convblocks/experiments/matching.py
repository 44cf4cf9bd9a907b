"""Solve each implementation's width so that all cost the same."""

from collections.abc import Iterable
from dataclasses import dataclass

from convblocks.analysis.cost import Cost
from convblocks.experiments.implementations import Frame, Implementation
from convblocks.networks.network_cost import network_cost
from convblocks.networks.network_spec import Network
from convblocks.networks.widths import WIDEST, Widths, fit_widths, rounded
from convblocks.records import TOLERANCE

REFERENCE_WIDTH = 32  # of the first stage, where nothing is matched


@dataclass(frozen=True, slots=True)
class Matched:
    """An implementation at its width; `problem` says why it cannot be compared, if so.

    `network` is what is trained, and `cost` that of its deployed form, which is what the budget is spent on.
    """

    implementation: Implementation
    widths: tuple[int, ...]
    network: Network
    cost: Cost
    problem: str = ""


def default_budget(frame: Frame, implementation: Implementation, match: str) -> int:
    """Returns the cost of an implementation at REFERENCE_WIDTH."""
    return _spent(_at(frame, implementation, _widths(implementation, REFERENCE_WIDTH)), match)


def least_budgets(frame: Frame, implementations: Iterable[Implementation], match: str) -> dict[str, int]:
    """Returns the cost of each implementation at its narrowest, the cheapest first."""
    least = {i.name: _spent(_at(frame, i, _widths(i, 0)), match) for i in implementations}
    return dict(sorted(least.items(), key=lambda item: item[1]))


def solve(frame: Frame, implementation: Implementation, match: str, budget: int | None) -> Matched:
    """Returns the implementation at the widths, doubling from stage to stage, that come nearest to the budget."""
    if match == "none" or budget is None:
        return _at(frame, implementation, _widths(implementation, REFERENCE_WIDTH))

    units = [implementation.unit] * implementation.stages
    widths = fit_widths(
        budget,
        lambda widths: _spent(_at(frame, implementation, widths), match),
        lambda width: _doubling(width, implementation.stages),
        units,
        most=WIDEST,
        step=0.25 * implementation.unit,
        least=1,
        reach=[2] * implementation.stages,
    )
    best = _at(frame, implementation, widths)
    miss = abs(_spent(best, match) - budget) / budget
    if miss <= TOLERANCE:
        return best
    spends, unit = _spent(best, match), "MACs" if match == "macs" else match
    problem = (
        f"the nearest widths {'/'.join(map(str, best.widths))} give {spends:,} {unit}, "
        f"{100 * miss:.1f} % off the budget of {budget:,}; choose another budget, e.g. {spends}, "
        "or match none"
    )
    return Matched(implementation, best.widths, best.network, best.cost, problem)


def _at(frame: Frame, implementation: Implementation, widths: tuple[int, ...]) -> Matched:
    network = frame.network(implementation, widths)
    return Matched(implementation, widths, network, network_cost(network.deployed(), frame.size))


def _widths(implementation: Implementation, width: float) -> Widths:
    return rounded(_doubling(width, implementation.stages), [implementation.unit] * implementation.stages)


def _doubling(width: float, stages: int) -> list[float]:
    """Returns the widths of the stages, where the first has `width`."""
    return [width * 2**i for i in range(stages)]


def _spent(matched: Matched, match: str) -> int:
    spent: int = getattr(matched.cost, match)
    return spent

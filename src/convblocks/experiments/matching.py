"""Solve each implementation's width so that all cost the same."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

from convblocks.analysis.cost import Cost
from convblocks.experiments.implementations import Frame, Implementation
from convblocks.networks.budget import WIDEST, least_that_spends
from convblocks.networks.network_cost import network_cost
from convblocks.networks.network_spec import Network
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


def least_budgets(frame: Frame, found: Iterable[Implementation], match: str) -> dict[str, int]:
    """Returns the cost of each implementation at its narrowest, the cheapest first."""
    least = {i.name: _spent(_at(frame, i, _widths(i, 0)), match) for i in found}
    return dict(sorted(least.items(), key=lambda item: item[1]))


def solve(frame: Frame, implementation: Implementation, match: str, budget: int | None) -> Matched:
    """The widths, doubling from stage to stage, that come nearest to the budget.

    First one real number by bisection, then each stage rounded on its own, which makes steps small enough.
    """
    if match == "none" or budget is None:
        return _at(frame, implementation, _widths(implementation, REFERENCE_WIDTH))

    def spent(width: float) -> int:
        return _spent(_at(frame, implementation, _widths(implementation, width)), match)

    width = least_that_spends(budget, spent, most=float(WIDEST), step=0.25 * implementation.unit, least=1)
    candidates = (_at(frame, implementation, widths) for widths in _neighbours(implementation, width))
    best = min(candidates, key=partial(_miss, match=match, budget=budget))
    miss = _miss(best, match, budget)
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


def _widths(implementation: Implementation, width: float) -> tuple[int, ...]:
    unit = implementation.unit
    return tuple(max(1, round(width * 2**i / unit)) * unit for i in range(implementation.stages))


def _neighbours(implementation: Implementation, width: float) -> Iterator[tuple[int, ...]]:
    unit = implementation.unit
    around = ([w + step * unit for step in (-2, -1, 0, 1, 2)] for w in _widths(implementation, width))
    return product(*([w for w in stage if w >= unit] for stage in around))


def _spent(matched: Matched, match: str) -> int:
    spent: int = getattr(matched.cost, match)
    return spent


def _miss(matched: Matched, match: str, budget: int) -> float:
    return abs(_spent(matched, match) - budget) / budget

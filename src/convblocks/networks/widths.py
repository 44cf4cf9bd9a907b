"""Widths that meet a budget: what widths are multiples of, and the search for those nearest to the budget."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import product

from convblocks.blocks.block_spec import BlockSpec, block_class, meta_block
from convblocks.errors import SpecError

WIDEST = 65_536
Widths = tuple[int, ...]


def width_unit(block: BlockSpec, dims: int = 2) -> int:
    """Returns what the channels that a block puts out must be a multiple of: by its family, and by its groups."""
    groups, multiple = block.option("groups") or 1, family_unit(block)
    if groups == 1 or _builds(block, multiple * (groups + 1), dims):
        return multiple
    return multiple * groups * (block.option("expansion") or 1)


def family_unit(block: BlockSpec) -> int:
    """Returns what channels must be a multiple of for a block's family alone."""
    multiple: int = getattr(block_class(block.family), "channels_multiple_of", 1)
    return multiple


def rounded(widths: Sequence[float], units: Sequence[int]) -> Widths:
    """Returns the nearest multiples of the units, each at least one."""
    return tuple(max(1, round(width / unit)) * unit for width, unit in zip(widths, units, strict=True))


def fit_widths(
    budget: int,
    spent: Callable[[Widths], int],
    at_scale: Callable[[float], Sequence[float]],
    units: Sequence[int],
    *,
    most: float,
    step: float,
    least: float = 1e-6,
    reach: Sequence[int],
) -> Widths:
    """Returns the widths that spend most nearly the budget.

    First one real number, the scale, is found by bisection; then each width is tried some units around it on its own,
    since rounding all of them alike makes steps that are too large.

    Args:
        budget: in the units that `spent` counts in.
        spent: what widths cost, which must grow with the scale. Widths that raise SpecError are passed over.
        at_scale: the widths before rounding, at a scale.
        units: what each width is a multiple of.
        most: the largest scale.
        step: how closely the scale is found.
        least: scales below it count as equal.
        reach: how many units each width is tried around the scale's.
    """

    def at(scale: float) -> Widths:
        return rounded(at_scale(scale), units)

    middle = at(_least_that_spends(budget, lambda scale: spent(at(scale)), most=most, step=step, least=least))
    nearest: tuple[int, Widths] | None = None
    for steps in product(*(range(-n, n + 1) for n in reach)):
        widths = tuple(width + n * unit for width, n, unit in zip(middle, steps, units, strict=True))
        if min(widths) < 1:
            continue
        with suppress(SpecError):  # a block may refuse to lose channels
            miss = abs(spent(widths) - budget)
            if nearest is None or miss < nearest[0]:
                nearest = miss, widths
    return nearest[1] if nearest else middle


def _least_that_spends(
    budget: int, spent: Callable[[float], int], *, most: float, step: float, least: float
) -> float:
    """Returns the smallest scale up to `most`, to within `step`, that spends the budget."""
    low, high = 0.0, most
    while high - low > step and high > least:
        middle = (low + high) / 2
        low, high = (middle, high) if spent(middle) < budget else (low, middle)
    return high


def _builds(block: BlockSpec, channels: int, dims: int) -> bool:
    try:
        meta_block(block, channels, channels, 1, dims)
    except SpecError:
        return False
    return True

"""Designs of a grid: implementations at the widths that meet the budget, if their training fits into memory."""

from collections.abc import Sequence

from msgspec.structs import replace

from convblocks.data import Dataset
from convblocks.engine.design_record import describe
from convblocks.engine.training_memory import require_training_memory
from convblocks.errors import OptionError
from convblocks.experiments.implementations import Frame, Implementation
from convblocks.experiments.matching import Matched, least_budgets, solve
from convblocks.records import Design, Study
from convblocks.training import Placement


def matched_designs(
    study: Study,
    frame: Frame,
    implementations: Sequence[Implementation],
    dataset: Dataset,
    placement: Placement,
) -> list[Design]:
    """Returns the record of each implementation, at the widths that meet the study's budget.

    Raises OptionError for a budget that none meets, RunError for one whose training takes more memory than there is.
    """
    matched = [solve(frame, implementation, study.match, study.budget) for implementation in implementations]
    if all(m.problem for m in matched):
        raise OptionError("budget", study.budget, _out_of_reach(study, frame, matched))
    for m in matched:
        if not m.problem:
            require_training_memory(m.network, m.implementation.name, study)
    return [_design(m, dataset, placement) for m in matched]


def _out_of_reach(study: Study, frame: Frame, matched: Sequence[Matched]) -> str:
    least = least_budgets(frame, [m.implementation for m in matched], study.match)
    (name, smallest), *_, (last, largest) = [*least.items()] * 2
    if study.budget is None or study.budget >= smallest:
        return f"no design can meet it: {matched[0].problem}"
    others = "" if len(least) == 1 else f"; below {largest:,} some are left out, {last} first"
    return f"too small for any design; the smallest that works is {smallest:,}, for {name}{others}"


def _design(matched: Matched, dataset: Dataset, placement: Placement) -> Design:
    """Returns the record of an implementation at its widths."""
    implementation = matched.implementation
    design = describe(
        matched.network,
        dataset,
        placement=placement,
        init=implementation.family.init,
        name=implementation.name,
        problem=matched.problem,
    )
    return replace(
        design,
        family=implementation.family.text,
        block_depth=implementation.block_depth,
        groups=implementation.groups,
        stack_depth=implementation.stack_depth,
    )

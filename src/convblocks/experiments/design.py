"""Designs of a grid: implementations at the widths that meet the budget, if their training fits into memory."""

from collections.abc import Sequence

from msgspec.structs import replace

from convblocks.data import Dataset
from convblocks.data.memory import available_bytes
from convblocks.engine.design_record import describe
from convblocks.engine.training_memory import training_bytes
from convblocks.errors import OptionError, RunError, Setting
from convblocks.experiments.implementations import Frame, Implementation
from convblocks.experiments.matching import Matched, least_budgets, solve
from convblocks.formatting import size
from convblocks.records import Design, Study
from convblocks.text import plural
from convblocks.training import Placement, Recipe


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
    _require_memory(study, [m for m in matched if not m.problem])
    return [_design(m, dataset, placement) for m in matched]


def _out_of_reach(study: Study, frame: Frame, matched: Sequence[Matched]) -> str:
    least = least_budgets(frame, [m.implementation for m in matched], study.match)
    (name, smallest), *_, (last, largest) = [*least.items()] * 2
    if study.budget is None or study.budget >= smallest:
        return f"no design can meet it: {matched[0].problem}"
    others = "" if len(least) == 1 else f"; below {largest:,} some are left out, {last} first"
    return f"too small for any design; the smallest that works is {smallest:,}, for {name}{others}"


def _require_memory(study: Study, matched: Sequence[Matched]) -> None:
    """Raises RunError where a training step of a design takes more memory than each worker can have."""
    available = available_bytes() if study.host.device == "cpu" else None
    if available is None:
        return
    recipe = Recipe(**study.recipe)  # type: ignore[arg-type]  # which it checks itself
    for m in matched:
        needed = training_bytes(m.network, study.data.shape, recipe) * study.workers
        if needed > available:
            budget = () if study.budget is None else (Setting("budget"), ", a smaller ")
            raise RunError(
                f"{m.implementation.name} with {'/'.join(map(str, m.widths))} channels takes over "
                f"{size(needed)} to train in {plural(study.workers, 'worker')}, and {size(available)} are "
                "available: give a smaller ",
                *budget,
                Setting("batch_size"),
                ", or fewer ",
                Setting("workers"),
            )


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

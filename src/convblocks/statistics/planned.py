"""Runs that are planned, so that a finished study is told from one that goes on."""

from collections import Counter
from collections.abc import Sequence

from convblocks.records import Design, Run, Study


def planned_runs(study: Study, designs: Sequence[Design], runs: Sequence[Run]) -> dict[str, int]:
    """Returns how many whole runs are planned for each design, by its name.

    A compare plans each seed. Of a search the folder has a design once it is proposed and a run once it is done: one
    without a run is under way, and what ended early is done. What a proposer would still propose is in no record.
    """
    if not study.proposer:
        return {design.name: 0 if design.problem else len(study.seeds) for design in designs}
    done = {run.design for run in runs}
    whole = Counter(run.design for run in runs if not run.stopped)
    return {design.name: whole[design.name] if design.name in done else 1 for design in designs}

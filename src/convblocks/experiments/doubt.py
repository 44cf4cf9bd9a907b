"""When the data do not tell which design to use, and what would.

"Not significantly worse" is worth little where the intervals are so wide that everything is: two seeds, few examples.
So there is a recommendation only if the best design beats guessing, and the chosen one's loss is bounded:
against the most accurate of the others not told apart, its 95 % interval must exclude `LOSS`.
"""

from collections.abc import Sequence

from convblocks.experiments.judged import Judged, paired
from convblocks.experiments.statistics import could_be_guessed, seeds_to_bound
from convblocks.report.format import percent, plural

LOSS = 0.05
"""A loss that matters: at 95 % accuracy a doubling of the errors. Figures that admit as much do not answer the
question."""


def doubt(judged: Sequence[Judged], best: Judged, chosen: Judged, classes: int) -> str:
    """Why these data do not tell whether `chosen` will do, and what to do; "" if they tell."""
    if could_be_guessed(best.accuracy, best.validation.shape[1], 1 / classes, tries=len(judged)):
        return (
            f"even the best, {best.name}, gets only {percent(best.accuracy)} of the validation data right, as guessing "
            f"among {plural(classes, 'class', 'classes')} can. {chosen.name} is merely the cheapest of those not told "
            "apart. Try more epochs, more seeds or more examples."
        )
    others = [j for j in judged if j.not_told_apart and j is not chosen]
    if not others:
        return ""
    rival = max(others, key=lambda j: (j is best, j.accuracy))
    gap = paired(chosen, rival, "validation")
    assert gap is not None  # both were compared with the best, which is one of them
    low = gap.interval().low
    assert low is not None
    if -low <= LOSS:
        return ""
    seeds = seeds_to_bound(gap, LOSS)
    more = (
        f"with more seeds, about --seeds {seeds}"
        if seeds
        else f"with more than {plural(gap.examples, 'validation example')}"
    )
    return (
        f"{chosen.name} is the cheapest of those not told apart, but may be {percent(-low, unit=False)} points behind "
        f"{rival.name}. Run again {more}."
    )

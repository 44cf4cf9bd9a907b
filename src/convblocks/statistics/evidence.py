"""Finds whether the data are evidence enough for a recommendation, and what would be.

"Not significantly worse" is worth little where the intervals are so wide that everything is: two seeds, few examples.
So there is a recommendation only if the best design beats guessing, and the chosen one's loss is bounded:
against the best of the others not measurably worse, its 95 % interval must exclude `LOSS`.
"""

from collections.abc import Sequence

from convblocks.formatting import percent
from convblocks.records import DataCard
from convblocks.statistics.comparison import Comparison, paired
from convblocks.statistics.estimates import could_be_blind, could_be_guessed, seeds_to_bound
from convblocks.statistics.scores import blind_score
from convblocks.text import plural

LOSS = 0.05
"""A loss that matters, of accuracy or mean IoU: at 95 % a doubling of the errors. Figures that admit as much do not
answer the question."""


def missing_evidence(
    comparisons: Sequence[Comparison], best: Comparison, chosen: Comparison, card: DataCard
) -> str:
    """Returns why these data are no evidence that `chosen` will do, and what to do; "" if they are."""
    if _could_be_guessed(best, card, len(comparisons)):
        return (
            f"even the best, {best.name}, has only {percent(best.score)} validation {card.metric}, as guessing "
            f"among {plural(len(card.classes), 'class', 'classes')} can. {chosen.name} is merely the cheapest of those "
            "not measurably worse. Try more epochs, more seeds or more examples."
        )
    others = [c for c in comparisons if c.is_among_best and c is not chosen]
    if not others:
        return ""
    rival = max(others, key=lambda c: (c is best, c.score))
    gap = paired(chosen, rival, "validation")
    assert gap is not None  # both were compared with the best, which is one of them
    low = gap.interval().low
    assert low is not None
    if -low <= LOSS:
        return ""
    seeds = seeds_to_bound(gap, LOSS)
    more = (
        f"with more seeds, about {seeds}"
        if seeds
        else f"with more than {plural(gap.examples, 'validation example')}"
    )
    return (
        f"{chosen.name} is the cheapest of those not measurably worse, but may be "
        f"{percent(-low, unit=False)} points behind {rival.name}. Run again {more}."
    )


def _could_be_guessed(best: Comparison, card: DataCard, tries: int) -> bool:
    chance = blind_score(card)
    if card.task == "classify":
        return could_be_guessed(best.score, best.validation.shape[1], chance, tries)
    return could_be_blind(best.validation, chance, tries)

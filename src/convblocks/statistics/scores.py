"""Contributions of each example to a design's score: the scores[seed, example] of all statistics.

To classify it is 1 for an example that is right and 0 for one that is wrong, whose mean is the accuracy.

Mean IoU is no mean over examples but a mean over classes of ratios of sums, R_c = ΣI / ΣU. To have the same statistics
it is linearised (the delta method for ratios, Cochran 1977, Sampling Techniques, section 6.4; the infinitesimal
jackknife of Jaeckel 1972): with n examples and K classes, example i scores

    mean IoU + n/K · Σ_c (I[i, c] − R_c · U[i, c]) / ΣU_c

The mean over examples is mean IoU exactly, and the variance over examples is that of mean IoU as n examples are drawn
anew, to first order; so intervals, paired differences, tests and their corrections hold as they do for accuracy.
"""

from collections.abc import Sequence

import numpy as np

from convblocks.records import DataCard, Overlap, Run


def scores(runs: Sequence[Run], part: str, card: DataCard) -> np.ndarray:
    """scores[run, example] of a part, "validation" or "test"."""
    examples: int = getattr(card, part)
    if card.task == "classify":
        return np.stack([_right(getattr(run, f"{part}_errors"), examples) for run in runs])
    return np.stack(
        [_linearised(getattr(run, f"{part}_overlaps"), examples, card.pixels[part]) for run in runs]
    )


def _right(errors: Sequence[int], examples: int) -> np.ndarray:
    right = np.ones(examples)
    right[list(errors)] = 0
    return right


def _linearised(overlaps: Sequence[Overlap], examples: int, pixels: Sequence[int]) -> np.ndarray:
    """Contributions to mean IoU over the classes that have labelled pixels."""
    table = np.array(overlaps, dtype=np.int64).reshape(-1, 4)
    both, either = np.zeros((2, examples, len(pixels)))
    both[table[:, 0], table[:, 1]], either[table[:, 0], table[:, 1]] = table[:, 2], table[:, 3]
    held = np.array(pixels) > 0
    both, either = both[:, held], either[:, held]
    whole = either.sum(0)
    ratio = both.sum(0) / whole
    contributions: np.ndarray = ratio.mean() + examples * ((both - ratio * either) / whole).mean(1)
    return contributions


def blind_score(card: DataCard) -> float:
    """The highest score on validation data of guesses that do not look at the example.

    To classify, 1 / classes. To segment, a guess that gives each position class c with probability q_c has
    IoU_c = p_c q_c / (p_c + q_c − p_c q_c), where p_c is the class's share of the positions. The mean is concave in q
    and greatest where q_c is in proportion to the odds o_c = p_c / (1 − p_c); it is then Σo / (1 + Σo) / K.
    """
    if card.task == "classify":
        return 1 / len(card.classes)
    shares = np.array([n for n in card.pixels["validation"] if n]) / sum(card.pixels["validation"])
    if len(shares) == 1:
        return 1.0
    odds = float((shares / (1 - shares)).sum())
    return odds / (1 + odds) / len(shares)

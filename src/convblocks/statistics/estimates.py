"""Intervals for scores and for paired differences, over seeds and over examples.

An accuracy or a mean IoU would come out otherwise with another seed and with other examples. Both count: with
scores[s, i] as in scores.py, 1 where the run of seed s gets example i right, the variance of the mean is

    var over seeds of scores[s, :].mean() / seeds  +  var over examples of scores[:, i].mean() / examples

(two-way random effects; the part that seeds and examples share is counted twice, which errs on the
safe side). Degrees of freedom after Satterthwaite 1946. Bouthillier et al. 2021 (arXiv:2103.03098)
show why seeds alone, or examples alone, claim too much.

Differences are tested one by one to choose, without a correction for their number. A correction would call more
designs equal to the best, and the cheapest of those is what we recommend: leaving it out is the careful side.
It does call designs worse that are not: of ten equal ones with three seeds, one or more in a quarter to two thirds
of all studies. So the words also say what is left after Holm's correction for the number of comparisons, from
p values that hold in the tails (`tail_p_value`). The best is picked from the same figures, so even then the error
is not 5 %: for ten equal designs 15 % if variances were known (the studentized range at Holm's first critical
value), and 1 to 11 % in simulations of these p values, which are on the safe side.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, exp, inf, log, sqrt

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from convblocks.records import Interval

LEVEL = 0.95
SIGNIFICANT = 1 - LEVEL
POWER = 0.8
MOST_SEEDS = 1000
MOST_EXAMPLES = 10**9
LEAST_P = 1e-12  # p values below this are taken as equal


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with the two parts of its variance."""

    mean: float
    seeds: int
    examples: int
    seed_variance: float  # of the mean of one seed
    example_variance: float  # of one example, averaged over seeds

    @property
    def standard_error(self) -> float:
        """The standard error of the mean, over seeds and examples."""
        return sqrt(self.seed_variance / self.seeds + self.example_variance / self.examples)

    @property
    def degrees(self) -> float:
        """Satterthwaite's degrees of freedom."""
        by_seed, by_example = self.seed_variance / self.seeds, self.example_variance / self.examples
        parts = by_seed**2 / (self.seeds - 1) + by_example**2 / max(1, self.examples - 1)
        return (by_seed + by_example) ** 2 / parts if parts else inf

    def interval(self) -> Interval:
        """The mean and its 95 % interval; without ends for one seed, which says nothing of the spread.

        Where all n examples came out alike, up to 3 / n of all others may not (Hanley & Lippman-Hand 1983).
        """
        if self.seeds < 2:
            return Interval(self.mean, None, None)
        reach = float(stats.t.ppf((1 + LEVEL) / 2, self.degrees)) * self.standard_error or 3 / self.examples
        return Interval(self.mean, max(-1.0, self.mean - reach), min(1.0, self.mean + reach))

    def p_value(self) -> float | None:
        """Two-sided, that the mean is 0; None with fewer than two seeds."""
        if self.seeds < 2:
            return None
        if self.standard_error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.mean) / self.standard_error, self.degrees))

    def tail_p_value(self) -> float | None:
        """The same by Cochran's rule (Cochran & Cox 1950), which holds where p is small.

        Satterthwaite's degrees of freedom are estimated from as few as two seeds: good enough at 5 %, far too
        bold at the 0.5 % that a correction asks for. Cochran's critical value is the mean of the two
        parts' own t quantiles, weighted by their variances.
        """
        if self.seeds < 2 or self.standard_error == 0:
            return self.p_value()
        by_seed, by_example = self.seed_variance / self.seeds, self.example_variance / self.examples
        ratio = abs(self.mean) / self.standard_error

        def excess(log_p: float) -> float:
            quantiles = stats.t.isf(exp(log_p) / 2, [self.seeds - 1, max(1, self.examples - 1)])
            critical = (by_seed * quantiles[0] + by_example * quantiles[1]) / (by_seed + by_example)
            return float(critical - ratio)

        if excess(log(LEAST_P)) <= 0:
            return LEAST_P
        return exp(brentq(excess, log(LEAST_P), 0.0)) if excess(0.0) < 0 else 1.0


def estimate(scores: np.ndarray) -> Estimate:
    """From scores[seed, example] as in scores.py, or the paired differences of two designs' scores."""
    seeds, examples = scores.shape
    return Estimate(
        mean=float(scores.mean()),
        seeds=seeds,
        examples=examples,
        seed_variance=float(scores.mean(1).var(ddof=1)) if seeds > 1 else 0.0,
        example_variance=float(scores.mean(0).var(ddof=1)) if examples > 1 else 0.0,
    )


def significant(difference: Estimate) -> bool:
    """Returns true where seeds and examples alone would make such a difference less than once in 20 times."""
    p_value = difference.p_value()
    return p_value is not None and p_value < SIGNIFICANT


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted for their number (Holm 1979): the chance of one so small anywhere, were all differences 0."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def score_interval(scores: np.ndarray) -> Interval:
    """A score's interval, kept within 0 and 1."""
    interval = estimate(scores).interval()
    if interval.low is None or interval.high is None:
        return interval
    return Interval(interval.estimate, max(0.0, interval.low), min(1.0, interval.high))


def could_be_guessed(accuracy: float, examples: int, chance: float, tries: int) -> bool:
    """Returns true where the best of so many designs may reach this accuracy by guesses of that chance.

    Bonferroni's correction of the binomial tail of one run: a mean over seeds spreads at most as much, whether or not
    the seeds guess alike. (That the accuracy's interval excludes chance would not do: of ten guessing designs,
    the best one's does so in 4 to 18 % of simulated studies.)
    """
    right = ceil(accuracy * examples - 1e-9)
    return tries * float(stats.binom.sf(right - 1, examples, chance)) >= SIGNIFICANT


def could_be_blind(scores: np.ndarray, chance: float, tries: int) -> bool:
    """The same for scores[seed, example] that are not 0 or 1: no more than `chance`, by a one-sided t-test.

    As above, examples alone make the spread, and Bonferroni's correction stands for the number of tries.
    """
    score = estimate(scores)
    error = sqrt(score.example_variance / score.examples)
    if error == 0:
        return score.mean <= chance
    return tries * float(stats.t.sf((score.mean - chance) / error, max(1, score.examples - 1))) >= SIGNIFICANT


def seeds_needed(difference: Estimate) -> int | None:
    """Seeds with which a true difference of this size would be found with 80 % power; None beyond MOST_SEEDS."""
    seeds = bisect_left(range(MOST_SEEDS), POWER, 2, key=lambda seeds: _power(difference, seeds))
    return seeds if seeds < MOST_SEEDS else None


def seeds_to_bound(difference: Estimate, loss: float) -> int | None:
    """Seeds after which the interval, around the same mean, excludes −loss or else 0; None beyond MOST_SEEDS."""

    def is_bounded(seeds: int) -> bool:
        least = replace(difference, seeds=seeds).interval()
        return least.low is not None and least.high is not None and (least.low > -loss or least.high < 0)

    least = bisect_left(range(MOST_SEEDS), True, 2, key=is_bounded)
    return least if least < MOST_SEEDS else None


def examples_needed(difference: Estimate) -> int | None:
    """Examples needed for the same with so many seeds that they no longer count; None beyond MOST_EXAMPLES.

    By the same power as `seeds_needed`: where that is not reached with any number of seeds, more examples than now are.
    """
    alone = replace(difference, seed_variance=0.0)

    def power(examples: int) -> float:
        return _power(replace(alone, examples=examples), alone.seeds)

    least = bisect_left(range(MOST_EXAMPLES), POWER, 2, key=power)
    return least if least < MOST_EXAMPLES else None


def _power(difference: Estimate, seeds: int) -> float:
    """The chance that `seeds` runs find a true difference of this size, by the noncentral t."""
    planned = replace(difference, seeds=seeds)
    if difference.mean == 0:
        return 0.0
    if planned.standard_error == 0:
        return 1.0
    degrees = min(planned.degrees, 1e6)
    critical = stats.t.ppf((1 + LEVEL) / 2, degrees)
    return float(stats.nct.sf(critical, degrees, abs(difference.mean) / planned.standard_error))

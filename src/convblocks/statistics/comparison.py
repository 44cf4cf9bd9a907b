"""Comparison of a design with the best one: its runs, scores and costs, and its difference to the best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convblocks.records import TOLERANCE, Design, Latency, Run, Verdict
from convblocks.statistics.estimates import Estimate, estimate


@dataclass(frozen=True)
class Comparison:
    """One design as it is compared; `difference` and `p_holm` are filled once the best is known."""

    design: Design
    runs: Sequence[Run]
    validation: np.ndarray  # scores[seed, example]
    test: np.ndarray
    latency: Latency | None
    difference: Estimate | None = None  # to the best, on validation
    p_holm: float | None = None  # of that difference, after Holm's correction
    verdict: Verdict = "unfinished"
    by_latency: bool = False  # whether cost is latency: where all designs of the study are timed

    @property
    def name(self) -> str:
        """The design's name."""
        return self.design.name

    @property
    def seeds(self) -> int:
        """The number of finished runs."""
        return len(self.runs)

    @property
    def seed_numbers(self) -> list[int]:
        """The seeds of the finished runs."""
        return [run.seed for run in self.runs]

    @property
    def cost(self) -> float:
        """Median latency in ms, or MACs as long as not all designs are timed."""
        return self.latency.median_ms if self.latency and self.by_latency else float(self.design.macs)

    @property
    def reach(self) -> float:
        """The highest cost that is not measurably above this one: of the clock, or of what matching tolerates."""
        if self.latency and self.by_latency:
            return self.latency.upper_ms
        return self.cost * (1 + 2 * TOLERANCE)

    @property
    def score(self) -> float:
        """The mean validation score over seeds and examples."""
        return float(self.validation.mean())

    @property
    def is_among_best(self) -> bool:
        """True of the best, and of those not significantly worse."""
        return self.verdict in ("best", "within noise")


def paired(a: Comparison, b: Comparison, part: str) -> Estimate | None:
    """Returns a − b on the seeds that both have; None if there are none. `part` is validation or test."""
    common = [seed for seed in a.seed_numbers if seed in b.seed_numbers]
    if not common:
        return None
    rows_a = [a.seed_numbers.index(seed) for seed in common]
    rows_b = [b.seed_numbers.index(seed) for seed in common]
    return estimate(getattr(a, part)[rows_a] - getattr(b, part)[rows_b])

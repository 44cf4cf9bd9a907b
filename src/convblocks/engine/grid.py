"""Grid: every design with every seed, the first proposer."""

from collections.abc import Sequence

from convblocks.engine.contracts import Trial
from convblocks.records import Design, Epoch, Run


class Grid:
    """Proposes each design with each seed and stops none, so that designs are paired by seed.

    The deep designs of a seed come first: they take longest, and no worker idles at the end.
    """

    def __init__(self, designs: Sequence[Design], seeds: Sequence[int]):
        by_depth = sorted(designs, key=lambda design: -design.stack_depth)
        self._trials = iter(
            [Trial(design, seed) for seed in seeds for design in by_depth if not design.problem]
        )

    def propose(self) -> Trial | None:
        """Returns the next trial of the grid."""
        return next(self._trials, None)

    def should_stop(self, trial: Trial, epochs: Sequence[Epoch]) -> bool:  # noqa: ARG002
        """Returns False."""
        return False

    def on_run(self, trial: Trial, run: Run) -> None:
        """Ignores the result."""

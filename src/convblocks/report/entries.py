"""A design with its row and its runs, in the order of the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite

from convblocks.formatting import MISSING
from convblocks.records import Design, Row, Run, Study, Summary

# names of an example's spatial axes, by their number
AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


@dataclass(frozen=True, slots=True)
class Entry:
    """A design that was compared.

    Attributes:
        design: the design.
        row: its statistics; None before any of its runs has finished.
        runs: its finished runs, by seed.
        seeds: number of seeds that it is to be trained with.
        image: spatial sizes of an example.
        recommended: the summary recommends it.
        conclusive: the data suffice for a recommendation.
    """

    design: Design
    row: Row | None
    runs: tuple[Run, ...]
    seeds: int
    image: tuple[int, ...]
    recommended: bool
    conclusive: bool

    @property
    def scored_row(self) -> Row | None:
        """The row, if it has a validation score."""
        return self.row if self.row and isfinite(self.row.validation.estimate) else None

    @property
    def field_sizes(self) -> tuple[float | None, ...]:
        """Receptive field in pixels along each axis: infinite where an output sees everything, None if unknown."""
        return tuple(
            inf if axis == "all" else None if axis is None else axis[2] - axis[1] + 1
            for axis in self.design.receptive_field
        )

    @property
    def field_text(self) -> str:
        """The receptive field as 25 × 25, with "all" for the whole input and "?" for unknown."""
        return (
            " × ".join("?" if s is None else "all" if s == inf else f"{s:g}" for s in self.field_sizes)
            or MISSING
        )

    @property
    def sees_whole_image(self) -> bool:
        """True where one output sees as much as the image holds, along every axis."""
        sizes = self.field_sizes
        return len(sizes) == len(self.image) and all(
            size is not None and size >= side for size, side in zip(sizes, self.image, strict=True)
        )


def collect(study: Study, designs: Sequence[Design], runs: Sequence[Run], summary: Summary) -> list[Entry]:
    """Returns the designs that could be matched: the best on validation first, those without a figure last."""
    rows = {row.design: row for row in summary.rows}
    entries = [
        Entry(
            design=design,
            row=rows.get(design.name),
            runs=tuple(sorted((r for r in runs if r.design == design.name), key=lambda r: r.seed)),
            seeds=_planned_seeds(study, design, runs),
            image=study.data.shape[1:],
            recommended=design.name == summary.recommended,
            conclusive=summary.conclusive,
        )
        for design in designs
        if not design.problem
    ]
    return sorted(entries, key=_rank)


def _planned_seeds(study: Study, design: Design, runs: Sequence[Run]) -> int:
    """Returns the seeds to be compared; a search has those that it ran to the end."""
    if not study.proposer:
        return len(study.seeds)
    return sum(run.design == design.name and not run.stopped for run in runs)


def _rank(entry: Entry) -> tuple[bool, float]:
    score = entry.scored_row.validation.estimate if entry.scored_row else -1.0
    return not (entry.row and entry.row.verdict == "best"), -score


def labels(entries: Sequence[Entry]) -> list[str]:
    """Returns each implementation once, in an order that does not depend on results."""
    keys = {e.design.label: (e.design.family, e.design.block_depth, e.design.groups) for e in entries}
    families = sorted({e.design.family for e in entries}, key=_plain_first)
    return sorted(keys, key=lambda label: (families.index(keys[label][0]), *keys[label][1:], label))


def _plain_first(family: str) -> tuple[int, str]:
    first, name = ("simple", "residual", "bottleneck"), family.partition("(")[0]
    return (first.index(name) if name in first else len(first), family)

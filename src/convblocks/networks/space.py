"""Spaces of networks of known blocks, and the exact costs of many networks at once.

A network's cost is a sum over its distinct (block, input shape) pairs, and a space has few of them: each is traced
once, and a million networks are then a few look-ups each.
"""

from functools import lru_cache
from math import prod

import numpy as np
from msgspec import Struct

from convblocks.analysis.cost import Cost
from convblocks.analysis.trace.graph import Shape
from convblocks.blocks.block_spec import BlockSpec
from convblocks.checks import whole
from convblocks.errors import OptionError, SpecError
from convblocks.networks.heads import GridHead, MeanHead
from convblocks.networks.network_cost import head_cost, stage_cost, stem_cost
from convblocks.networks.network_spec import Network, Stage
from convblocks.networks.per_axis import Axes
from convblocks.networks.stem import Stem

# of a stage; their table takes half a gigabyte
MOST_ROWS = 2**24


class StageChoices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The choices of a stage: it has one block, one number of blocks and one width of these."""

    block: tuple[BlockSpec, ...]
    blocks: tuple[int, ...]
    out_channels: tuple[int, ...]
    stride: Axes = 1

    def stage(self, block: int, blocks: int, out_channels: int) -> Stage:
        """Returns the stage of one choice, given as positions among the choices."""
        return Stage(
            block=self.block[block],
            blocks=self.blocks[blocks],
            out_channels=self.out_channels[out_channels],
            stride=self.stride,
        )


class NetworkSpace(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All networks with this stem whose stages are chosen from `stages`. Frozen, hashable."""

    in_channels: int
    classes: int
    stem: Stem | None = None
    stages: tuple[StageChoices, ...]
    # a head that takes the last map alone
    head: MeanHead | GridHead = MeanHead()
    dims: int = 2

    def __post_init__(self) -> None:
        whole("stages", len(self.stages), at_least=1)
        for i, stage in enumerate(self.stages):
            for name, choices in (
                ("block", stage.block),
                ("blocks", stage.blocks),
                ("out_channels", stage.out_channels),
            ):
                if not choices:
                    raise SpecError(f"stages[{i}].{name}", "got no choice; expected at least one")

    @property
    def sizes(self) -> list[tuple[int, int, int]]:
        """The number of choices that each stage has of block, blocks and out_channels."""
        return [(len(s.block), len(s.blocks), len(s.out_channels)) for s in self.stages]

    @property
    def networks(self) -> int:
        """The number of networks in the space."""
        return prod(map(prod, self.sizes))

    def draw(self, n: int, seed: int = 0) -> np.ndarray:
        """Draws `n` networks at random, as positions among the choices.

        Returns:
            whole numbers (n, stages, 3): of block, blocks and out_channels.
        """
        random = np.random.default_rng(seed)
        n = whole("n", n, at_least=1)
        return random.integers(0, self.sizes, size=(n, len(self.stages), 3), dtype=np.int32)

    def network(self, choice: np.ndarray) -> Network:
        """Returns the network of one row of `draw`. Raises SpecError for one that cannot be built."""
        return Network(
            in_channels=self.in_channels,
            classes=self.classes,
            stem=self.stem,
            stages=tuple(s.stage(*row) for s, row in zip(self.stages, choice.tolist(), strict=True)),
            head=self.head,
            dims=self.dims,
        )


class Costs(Struct, frozen=True, eq=False):
    """Costs of many networks: int64 arrays of one element for each network; see Cost."""

    params: np.ndarray
    macs: np.ndarray
    activations: np.ndarray


def space_costs(space: NetworkSpace, choices: np.ndarray, size: Shape) -> Costs:
    """Returns exactly what `network_cost(space.network(row), size)` counts for each row of `choices` (n, stages, 3).

    Stages that were not met before are traced, some milliseconds a block, and kept for the next call.
    Raises SpecError for a block that cannot stand where a row puts it.
    """
    _check(space, choices)
    traces = _traces(space, tuple(size))
    total = np.tile(_row(traces.stem), (len(choices), 1))
    # which shape enters the stage
    shape_numbers = np.zeros(len(choices), dtype=np.intp)
    for stage, (block, blocks, out_channels) in zip(traces.stages, choices.transpose(1, 2, 0), strict=True):
        kinds, counts, widths = stage.sizes
        row = ((shape_numbers * kinds + block) * counts + blocks) * widths + out_channels
        stage.fill(row)
        total += stage.costs[row]
        shape_numbers = stage.leaving[row]
    total += traces.heads()[shape_numbers]
    return Costs(*total.T)


def _check(space: NetworkSpace, choices: np.ndarray) -> None:
    expected = f"expected whole numbers of shape (n, {len(space.stages)}, 3), as NetworkSpace.draw gives"
    if choices.ndim != 3 or choices.shape[1:] != (len(space.stages), 3) or choices.dtype.kind not in "iu":
        raise OptionError("choices", f"{choices.dtype} of {choices.shape}", expected)
    if len(choices) and (choices.min() < 0 or (choices.max(axis=0) >= space.sizes).any()):
        raise OptionError(
            "choices", choices.max(axis=0).tolist(), f"expected places from 0, below {space.sizes}"
        )


class _Table:
    """A stage's costs, one row for each (entering shape, block, blocks, out_channels), filled as they are met."""

    def __init__(self, space: NetworkSpace, stage: int, entering: list[Shape]):
        self.choices, self.stage, self.dims = space.stages[stage], stage, space.dims
        self.sizes = space.sizes[stage]
        self.entering_shapes, self.leaving_shapes = entering, list[Shape]()
        self.costs = np.zeros((0, 3), dtype=np.int64)
        # which shape leaves; −1 where not yet met
        self.leaving = np.zeros(0, dtype=np.intp)

    def fill(self, rows: np.ndarray) -> None:
        """Traces the rows that were not met before."""
        most = len(self.entering_shapes) * prod(self.sizes)
        if most > MOST_ROWS:
            raise SpecError(
                f"stages[{self.stage}]",
                f"{most:,} combinations of shape and choice; at most {MOST_ROWS:,} work",
            )
        if more := most - len(self.leaving):
            self.costs = np.concatenate([self.costs, np.zeros((more, 3), dtype=np.int64)])
            self.leaving = np.concatenate([self.leaving, np.full(more, -1)])
        met = np.bincount(rows, minlength=most) > 0
        for row in np.flatnonzero(met & (self.leaving < 0)).tolist():
            self._trace(row)

    def _trace(self, row: int) -> None:
        shape, *choice = np.unravel_index(row, (len(self.entering_shapes), *self.sizes))
        stage = self.choices.stage(*map(int, choice))
        try:
            cost, leaving = stage_cost(stage, self.entering_shapes[shape], self.dims)
        except SpecError as error:
            raise SpecError(f"stages[{self.stage}].block.{error.path}".rstrip("."), error.problem) from error
        if leaving not in self.leaving_shapes:
            self.leaving_shapes.append(leaving)
        self.costs[row], self.leaving[row] = _row(cost), self.leaving_shapes.index(leaving)


class _Traces:
    """The costs of a space's parts that have been traced at one input size."""

    def __init__(self, space: NetworkSpace, size: Shape):
        self.head, self.classes, self.size = space.head, space.classes, size
        self.stem, shape = stem_cost(space.stem, (space.in_channels, *size), space.dims)
        shapes = [shape]
        self.stages: list[_Table] = []
        for i in range(len(space.stages)):
            table = _Table(space, i, shapes)
            self.stages.append(table)
            shapes = table.leaving_shapes

    def heads(self) -> np.ndarray:
        rows = [
            _row(head_cost(self.head, (shape,), (1,), self.classes, self.size))
            for shape in self.stages[-1].leaving_shapes
        ]
        return np.array(rows, dtype=np.int64).reshape(-1, 3)


@lru_cache(maxsize=64)
def _traces(space: NetworkSpace, size: Shape) -> _Traces:
    return _Traces(space, size)


def _row(cost: Cost) -> list[int]:
    if cost.unknown_ops:
        names = ", ".join(sorted(cost.unknown_ops))
        raise SpecError(
            "", f"no rule counts {names}, so no cost is exact; convblocks.register_op gives it one"
        )
    return [cost.params, cost.macs, cost.activations]

"""A network's maps for other heads, chosen and counted as timm's ``features_only`` does."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from convblocks.errors import OptionError
from convblocks.networks.module import Standardise
from convblocks.networks.per_axis import Axes, product

if TYPE_CHECKING:
    from convblocks.networks.network_spec import Network, Stage

OutIndices = int | Iterable[int]


class Map(NamedTuple):
    """What the module called `name` puts out."""

    name: str
    channels: int
    reduction: Axes


class Features(nn.Module):
    """standardise → stem → stages; (N, in_channels, *n) → the list of maps, largest first.

    As timm's ``features_only``: of the maps of one reduction the last, before the next layer shrinks it, so that
    ResNet's are those of its stem before the pool and of its four stages, and VGG's those before each pool and the
    last. `channels` and `reductions` describe each map; a reduction is the product of the strides up to it, one
    number, or one an axis where they differ. So it is the input's size over the map's, rounded up, but for layers
    without padding: AlexNet's maps are smaller. A stage that dilates instead of striding has no map of its own.

    State-dict keys are those of ConvNet without its head, whichever maps are given. What stands behind the last
    of them does not run.
    """

    def __init__(
        self,
        standardise: Standardise,
        stem: nn.Module,
        stages: Iterable[Iterable[nn.Module]],
        row: tuple[Map, ...],
        given: tuple[Map, ...],
    ):
        super().__init__()
        self.channels = tuple(each.channels for each in given)
        self.reductions = tuple(each.reduction for each in given)
        self.standardise = standardise
        self.stem = stem
        self.stages = nn.Sequential(*(nn.Sequential(*blocks) for blocks in stages))
        self._row = tuple((each.name, each in given) for each in row[: row.index(given[-1]) + 1])

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        x, maps = self.standardise(x), []
        for name, given in self._row:
            x = self.get_submodule(name)(x)
            if given:
                maps.append(x)
        return maps


def row_of(network: "Network") -> tuple[Map, ...]:
    """The modules that run one after another, each with its map; pools apart from what stands before them."""
    found, stem = [], network.stem
    if stem and stem.pool == "none":
        found.append(Map("stem", stem.out_channels, stem.reduction(network.dims)))
    elif stem:
        found.append(Map("stem.layers", stem.out_channels, product(stem.stride, dims=network.dims)))
        found.append(Map("stem.pool", stem.out_channels, stem.reduction(network.dims)))
    for i, stage in enumerate(network.stages):
        found += _blocks(stage, f"stages.{i}", found[-1].reduction if found else 1, network.dims)
    return tuple(found)


def _blocks(stage: "Stage", name: str, reached: Axes, dims: int) -> Iterator[Map]:
    pooled = stage.block.option("pool") not in (None, "none")
    for j, (_, stride) in enumerate(stage.places(1)):
        parts = [(f"{name}.{j}", product(stride, 2 if pooled else 1, dims=dims))]
        if pooled and stage.block.family == "simple":
            parts = [(f"{name}.{j}.layers", stride), (f"{name}.{j}.pool", 2)]
        for part, step in parts:
            reached = product(reached, step, dims=dims)
            yield Map(part, stage.out_channels, reached)


def chosen(row: tuple[Map, ...], out_indices: OutIndices | None) -> tuple[Map, ...]:
    """The last map of each reduction; of these all, the last so many, or those numbered. Raises OptionError."""
    last = [before for before, after in pairwise(row) if before.reduction != after.reduction]
    maps = (*last, row[-1])
    if out_indices is None:
        return maps
    numbers = range(-out_indices, 0) if isinstance(out_indices, int) else out_indices
    asked = tuple(numbers) if isinstance(numbers, Iterable) else ()
    among = f"numbers of its {len(maps)} maps, 0 to {len(maps) - 1} or -{len(maps)} to -1; an int is the last so many"
    if not asked or any(type(i) is not int or not -len(maps) <= i < len(maps) for i in asked):
        raise OptionError("out_indices", out_indices, f"expected {among}")
    return tuple(maps[i] for i in sorted({i % len(maps) for i in asked}))

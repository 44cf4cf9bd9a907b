"""A network's maps for other heads, chosen and counted as timm's ``features_only`` does."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn

from convblocks.errors import OptionError
from convblocks.networks.module import Standardise
from convblocks.networks.network_spec import Network, Stage
from convblocks.networks.per_axis import Axes, product

OutIndices = int | Iterable[int]


class Step(NamedTuple):
    """A module that runs on the way through the network, by its name, and the map that it puts out."""

    name: str
    channels: int
    reduction: Axes


class Features(nn.Module):
    """standardise → stem → stages; (N, in_channels, *n) → the list of maps, largest first.

    Of the maps of one reduction it gives the last, before the next layer shrinks it, as timm's ``features_only``
    does: ResNet's are those of its stem before the pool and of its four stages, and VGG's those before each pool and
    the last. A reduction is the product of the strides up to the map. So it is the input's size over the map's,
    rounded up, but for layers without padding: AlexNet's maps are smaller. A stage that dilates instead of striding
    has no map of its own.

    State-dict keys are those of ConvNet without its head, whichever maps are given. What stands behind the last
    of them does not run.

    Attributes:
        channels: the channels of each map.
        reductions: the reduction of each map: one number, or one for each axis where they differ.
    """

    def __init__(
        self,
        standardise: Standardise,
        stem: nn.Module,
        stages: Iterable[Iterable[nn.Module]],
        steps: tuple[Step, ...],
        given: tuple[Step, ...],
    ):
        super().__init__()
        self.channels = tuple(step.channels for step in given)
        self.reductions = tuple(step.reduction for step in given)
        self.standardise = standardise
        self.stem = stem
        self.stages = nn.Sequential(*(nn.Sequential(*blocks) for blocks in stages))
        self._steps = tuple((step.name, step in given) for step in steps[: steps.index(given[-1]) + 1])

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Returns the maps of examples x (N, in_channels, *n)."""
        x, maps = self.standardise(x), []
        for name, is_given in self._steps:
            x = self.get_submodule(name)(x)
            if is_given:
                maps.append(x)
        return maps


def features(network: Network, out_indices: OutIndices | None = None) -> Features:
    """Builds a network without its head, whose forward gives maps.

    Args:
        network: the network to build, with PyTorch's random weights.
        out_indices: the numbers of the maps, counted from the end where negative, or how many of the last;
            by default all of them, one for each reduction.

    Raises:
        OptionError: a map that is not there.
    """
    steps = _steps(network)
    given = _chosen(steps, out_indices)
    standardise, stem, stages = network.build_body()
    return Features(standardise, stem, stages, steps, given)


def _steps(network: Network) -> tuple[Step, ...]:
    """Returns the modules that run one after another; pools apart from the layers before them."""
    steps, stem = [], network.stem
    if stem and stem.pool == "none":
        steps.append(Step("stem", stem.out_channels, stem.reduction(network.dims)))
    elif stem:
        steps.append(Step("stem.layers", stem.out_channels, product(stem.stride, dims=network.dims)))
        steps.append(Step("stem.pool", stem.out_channels, stem.reduction(network.dims)))
    for i, stage in enumerate(network.stages):
        steps += _steps_of_stage(stage, f"stages.{i}", steps[-1].reduction if steps else 1, network.dims)
    return tuple(steps)


def _steps_of_stage(stage: Stage, name: str, reduction: Axes, dims: int) -> Iterator[Step]:
    pooled = stage.block.option("pool") not in (None, "none")
    for j, (_, stride) in enumerate(stage.places(1)):
        parts = [(f"{name}.{j}", product(stride, 2 if pooled else 1, dims=dims))]
        if pooled and stage.block.family == "simple":
            parts = [(f"{name}.{j}.layers", stride), (f"{name}.{j}.pool", 2)]
        for part, factor in parts:
            reduction = product(reduction, factor, dims=dims)
            yield Step(part, stage.out_channels, reduction)


def _chosen(steps: tuple[Step, ...], out_indices: OutIndices | None) -> tuple[Step, ...]:
    """Returns the last step of each reduction: all, the last so many, or those numbered. Raises OptionError."""
    shrinking = [before for before, after in pairwise(steps) if before.reduction != after.reduction]
    maps = (*shrinking, steps[-1])
    if out_indices is None:
        return maps
    numbers = range(-out_indices, 0) if isinstance(out_indices, int) else out_indices
    indices = tuple(numbers) if isinstance(numbers, Iterable) else ()
    among = f"numbers of its {len(maps)} maps, 0 to {len(maps) - 1} or -{len(maps)} to -1; an int is the last so many"
    if not indices or any(type(i) is not int or not -len(maps) <= i < len(maps) for i in indices):
        raise OptionError("out_indices", out_indices, f"expected {among}")
    return tuple(maps[i] for i in sorted({i % len(maps) for i in indices}))

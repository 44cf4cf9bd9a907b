"""The cost of a network of known blocks: the sum over its distinct (block, input shape) pairs, each traced once."""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import nn

from convblocks.analysis.cost import Cost, count
from convblocks.analysis.trace import trace
from convblocks.analysis.trace.graph import Shape
from convblocks.blocks.block_spec import BlockSpec, meta_block
from convblocks.errors import OptionError
from convblocks.networks.heads import Head
from convblocks.networks.network_spec import Network, Stage
from convblocks.networks.per_axis import Axes
from convblocks.networks.stem import Stem

NOTHING = Cost(params=0, macs=0, activations=0)


def network_cost(network: Network, size: Shape) -> Cost:
    """Returns exactly what tracing the whole network for an input of `size` (spatial axes) would count.

    Raises OptionError for a `size` with other axes than the network has.
    """
    if len(size) != network.dims:
        axes = tuple(size)[-network.dims :] if len(size) > network.dims else (64,) * network.dims
        raise OptionError(
            "size", size, f"expected the {network.dims} spatial axes without channels, e.g. {axes}"
        )
    cost, shape = stem_cost(network.stem, (network.in_channels, *size), network.dims)
    shapes = []
    for stage in network.stages:
        added, shape = stage_cost(stage, shape, network.dims)
        cost += added
        shapes.append(shape)
    return cost + head_cost(network.head, tuple(shapes), network.reductions, network.classes, tuple(size))


def stage_cost(stage: Stage, shape: Shape, dims: int) -> tuple[Cost, Shape]:
    """Returns the cost of a stage for an input of `shape` (channels, *spatial), and its output's shape."""
    cost, shape = _block_cost(stage.block, stage.out_channels, stage.stride, shape, dims)
    for remaining in range(stage.blocks - 1, 0, -1):
        before = shape
        block_cost, shape = _block_cost(stage.block, stage.out_channels, 1, before, dims)
        # and so it stays
        if shape == before:
            return cost + block_cost * remaining, shape
        cost += block_cost
    return cost, shape


def _counted(module: nn.Module, shape: Shape) -> tuple[Cost, Shape]:
    traced = trace(module, shape)
    return count(traced), traced.output.shape[1:]


def _on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return make()


@lru_cache(maxsize=65_536)
def _block_cost(spec: BlockSpec, channels: int, stride: Axes, shape: Shape, dims: int) -> tuple[Cost, Shape]:
    return _counted(meta_block(spec, shape[0], channels, stride, dims), shape)


@lru_cache(maxsize=4096)
def stem_cost(stem: Stem | None, shape: Shape, dims: int) -> tuple[Cost, Shape]:
    """Returns the cost of a stem for an input of `shape` (channels, *spatial), and its output's shape."""
    return _counted(_on_meta(lambda: stem.build(shape[0], dims)), shape) if stem else (NOTHING, shape)


@lru_cache(maxsize=4096)
def head_cost(
    head: Head, shapes: tuple[Shape, ...], reductions: tuple[Axes, ...], classes: int, size: Shape
) -> Cost:
    """Returns the cost of a head behind stages that put out maps of `shapes`, for an input of `size`."""
    channels, dims = tuple(shape[0] for shape in shapes), len(size)
    module = _on_meta(lambda: head.build(channels, reductions, classes, dims))
    if getattr(module, "every_map", False):
        behind = _Behind(module, size)
        return count(behind, *shapes)
    return _counted(module, shapes[-1])[0]


class _Behind(nn.Module):
    """A head that takes every map, with each map as an input of its own."""

    def __init__(self, head: nn.Module, size: Shape):
        super().__init__()
        self.head, self.size = head, size

    def forward(self, *maps: torch.Tensor) -> torch.Tensor:
        return self.head(list(maps), self.size)

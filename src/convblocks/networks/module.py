"""The modules that a Network describes."""

from collections.abc import Iterable

import torch
from torch import nn

from convblocks.errors import OptionError


class Standardise(nn.Module):
    """(x − mean) / std per channel; saved with the weights, so that a network takes examples as they come.

    Starts as mean 0 and std 1, which changes nothing but the type of integer inputs. Refuses other channels with
    an OptionError: one channel would be spread over all.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("std", torch.ones(channels))

    def fit_(self, mean: torch.Tensor, std: torch.Tensor) -> None:
        """Takes over statistics per channel; a channel that never varies is only centred."""
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > 0, std, 1.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.ndim < 2 or x.shape[1] != len(self.mean):
            raise OptionError(
                "shape",
                tuple(x.shape),
                f"the network takes (N, {len(self.mean)}, …); Network.with_in_channels makes one for others",
            )
        channels = (-1, *[1] * (x.ndim - 2))
        return (x.to(self.mean.dtype) - self.mean.view(channels)) / self.std.view(channels)


class ConvNet(nn.Module):
    """standardise → stem → stages → head; (N, in_channels, *n) → (N, classes), or what its head gives."""

    def __init__(
        self,
        standardise: Standardise,
        stem: nn.Module,
        stages: Iterable[Iterable[nn.Module]],
        head: nn.Module,
    ):
        super().__init__()
        self.standardise = standardise
        self.stem = stem
        self.stages = nn.Sequential(*(nn.Sequential(*blocks) for blocks in stages))
        self.head = head

    def body(self) -> nn.Sequential:
        """Returns stem → stages: everything that has a map."""
        return nn.Sequential(self.stem, self.stages)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        entering = self.stem(self.standardise(x))
        if getattr(self.head, "every_map", False):
            return self.head(maps_of(self.stages, entering), x.shape[2:])
        return self.head(self.stages(entering))


def maps_of(stages: nn.Sequential, x: torch.Tensor) -> list[torch.Tensor]:
    """Returns the map of each stage."""
    maps = []
    for stage in stages:
        x = stage(x)
        maps.append(x)
    return maps

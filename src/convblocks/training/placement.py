"""Placement: device and layout of a module, as one frozen value."""

import re
from dataclasses import dataclass, replace

import torch
from torch import nn

from convblocks.checks import one_of
from convblocks.errors import OptionError

LAYOUTS = ("channels_last", "contiguous")


@dataclass(frozen=True)
class Placement:
    """The device on which a module computes, and the layout of its maps in memory.

    Args:
        device: cpu, cuda or cuda:N, where N counts the CUDA devices from 0.
        layout: channels_last, which CPUs and GPUs convolve faster, or contiguous. It is of images: signals and volumes
            are always contiguous.

    Raises:
        OptionError: for a device that this machine lacks, or another value that does not work.
    """

    device: str = "cpu"
    layout: str = "channels_last"

    def __post_init__(self) -> None:
        _check_device(self.device)
        one_of("layout", self.layout, LAYOUTS)

    def for_training(self, module: nn.Module) -> "Placement":
        """Returns the placement to train a module with: contiguous where a layer's backward pass crashes otherwise."""
        crashes = any(map(_crashes_in_channels_last, module.modules()))
        return replace(self, layout="contiguous") if crashes else self

    def place(self, module: nn.Module, ndim: int) -> nn.Module:
        """Moves a module that takes tensors of `ndim` axes, batch and channels included, and returns it."""
        layout = self._memory_format(ndim)
        return module.to(device=self.device, memory_format=layout)  # type: ignore[call-overload]  # torch lacks it

    def place_examples(self, x: torch.Tensor) -> torch.Tensor:
        """Returns examples (N, C, *spatial) on the device, in the layout."""
        return x.to(self.device, memory_format=self._memory_format(x.ndim))

    def _memory_format(self, ndim: int) -> torch.memory_format:
        last = self.layout == "channels_last" and ndim == 4
        return torch.channels_last if last else torch.contiguous_format


def _check_device(device: object) -> None:
    match = re.fullmatch("cpu|cuda(?::(0|[1-9][0-9]*))?", device) if isinstance(device, str) else None
    if match is None:
        raise OptionError("device", device, "expected cpu, cuda or cuda:N, e.g. cuda:1")
    if device == "cpu":
        return
    devices = torch.cuda.device_count()
    if not devices:
        raise OptionError("device", device, "torch finds no CUDA device here; use cpu")
    if int(match[1] or 0) >= devices:
        names = "cuda:0" if devices == 1 else f"cuda:0 to cuda:{devices - 1}"
        raise OptionError("device", device, f"torch finds no such CUDA device here; use {names}")


def _crashes_in_channels_last(layer: nn.Module) -> bool:
    """Returns true for a layer whose backward pass crashes in channels last.

    For a 1×1 convolution with stride, torch 2.13's CPU kernel writes past its buffer for fewer than 8 channels.
    """
    return (
        isinstance(layer, nn.Conv2d)
        and layer.kernel_size == (1, 1)
        and max(layer.stride) > 1
        and layer.in_channels // layer.groups < 8
    )


CPU = Placement()

"""Operands that every device refuses but meta."""

import torch

from convblocks.analysis.trace.graph import Value


def check_operands(x: Value, weight: Value, *, transposed: bool) -> None:
    """Raises RuntimeError where the input and weight of a layer, or a transposed one, differ in channels or dtype."""
    if transposed and len(x.shape) == len(weight.shape) and x.shape[1] != weight.shape[0]:
        raise RuntimeError(f"its input has {x.shape[1]} channels and its weight takes {weight.shape[0]}")
    autocast = torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")
    if x.dtype != weight.dtype and not (autocast and x.dtype.is_floating_point):
        kinds = [str(value.dtype).removeprefix("torch.") for value in (x, weight)]
        raise RuntimeError(f"its input is {kinds[0]} and its weight is {kinds[1]}")

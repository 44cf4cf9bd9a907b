"""Outputs of a module: what it gives for an example, how its shapes are written, and if two are equal."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from convblocks.analysis.trace.duplicate import copy_of
from convblocks.errors import CodeError, Setting
from convblocks.text import times


def example_output(module: nn.Module, input_size: Sequence[int]) -> Any:
    """Returns the output of a copy in eval mode for a batch of two zeros, since one alone may be refused.

    Raises:
        CodeError: the module does not take one input of this size, (channels, *spatial).
    """
    copy = copy_of(module).eval()
    try:
        with torch.no_grad():
            return copy(torch.zeros(2, *input_size))
    except Exception as error:  # a forward may raise anything
        size, reason = times(input_size), " ".join(str(error).split())
        raise CodeError(
            f"{type(module).__name__} cannot be run on one input of {size}: {type(error).__name__}: {reason}; code "
            "writes modules of one input, whose size is given by ",
            Setting("input"),
        ) from error


def shape_text(size: Sequence[int]) -> str:
    """Returns the shape of a batch of examples of this size: (N, 3, 224, 224)."""
    return f"(N, {', '.join(map(str, size))})"


def shapes_text(output: Any) -> str:
    """Returns the shapes in an output: (N, 4), or {scores: (N, 4), maps: [(N, 8, 14, 14), …]}."""
    if isinstance(output, torch.Tensor):
        return shape_text(output.shape[1:]) if output.ndim else "()"
    if isinstance(output, Sequence) and not isinstance(output, str):
        return f"[{', '.join(map(shapes_text, output))}]"
    fields = _fields(output)
    return (
        type(output).__name__
        if fields is None
        else f"{{{', '.join(f'{k}: {shapes_text(v)}' for k, v in fields.items())}}}"
    )


def _fields(output: Any) -> Mapping[Any, Any] | None:
    """Returns the values in a dict or a dataclass, by name; None for anything else."""
    if isinstance(output, Mapping):
        return output
    if not dataclasses.is_dataclass(output) or isinstance(output, type):
        return None
    return {field.name: getattr(output, field.name, None) for field in dataclasses.fields(output)}


def equal(a: Any, b: Any) -> bool:
    """Returns true where two outputs have the same bits in tensors of the same dtypes; nan equals nan."""
    if isinstance(a, torch.Tensor):
        return (
            isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a.nan_to_num(), b.nan_to_num())
        )
    if isinstance(a, Sequence) and not isinstance(a, str):
        return len(a) == len(b) and all(map(equal, a, b))
    ours, theirs = _fields(a), _fields(b)
    if ours is not None and theirs is not None:
        return ours.keys() == theirs.keys() and all(equal(ours[k], theirs[k]) for k in ours)
    return bool(a == b)

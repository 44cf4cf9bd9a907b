"""A training's state on disk: safetensors with its progress as JSON in the header, replaced atomically."""

from copy import deepcopy
from hashlib import sha256
from math import inf
from pathlib import Path

import msgspec
import torch
from msgspec import Struct
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from convblocks.files import open_regular, write
from convblocks.records import Epoch


class Progress(Struct, frozen=True, forbid_unknown_fields=True):
    """The epochs of a training that are done, their seconds, and its failure if it stopped.

    Raises ValueError for values that no training leaves behind.
    """

    epochs: tuple[Epoch, ...] = ()
    epoch_s: tuple[float, ...] = ()
    failure: str = ""

    def __post_init__(self) -> None:
        scores = [score for epoch in self.epochs for score in (epoch.train_score, epoch.validation_score)]
        if len(self.epoch_s) != len(self.epochs) or (self.failure and not self.epochs):
            raise ValueError("expected a time for each epoch, and a failure only after one")
        if not all(0 < s < inf for s in self.epoch_s) or not all(0 <= score <= 1 for score in scores):
            raise ValueError("expected positive times and scores from 0 to 1")


class CheckpointError(Exception):
    """Training cannot go on from a checkpoint; the message, which follows its path, says why."""


def save_checkpoint(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, trial: str, progress: Progress
) -> None:
    """Writes weights, the optimizer's state and progress.

    No state of a random generator is stored: an epoch's randomness follows from its number. `trial` is text that must
    be the same for a training to go on from the checkpoint.
    """
    tensors = {f"module.{name}": t.contiguous() for name, t in module.state_dict().items()}
    for i, state in _state(optimizer).items():
        tensors |= {f"optimizer.{i}.{key}": t.contiguous() for key, t in state.items()}
    header = {"trial": trial, "progress": msgspec.json.encode(progress).decode()}
    write(path, save(tensors, {**header, "sha256": _checksum(header, tensors)}))


def load_checkpoint(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, trial: str, *, epochs: int
) -> Progress:
    """Restores a state and returns how far it had come; nothing happens where there is no file.

    Raises CheckpointError for one that is damaged, of another trial or of more than `epochs` epochs, and changes
    nothing then.
    """
    try:
        with open_regular(path), safe_open(path, "pt") as file:
            header = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except FileNotFoundError:
        return Progress()
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError("cannot be read") from error
    checksum = header.pop("sha256", None)
    if checksum is None and "trial" not in header:
        raise CheckpointError("has no checksum, as those of earlier versions")
    if checksum != _checksum(header, tensors):
        raise CheckpointError("is damaged")
    if header.get("trial") != trial:
        raise CheckpointError("is of another training, or of an earlier version")
    try:
        progress = msgspec.json.decode(header.get("progress", ""), type=Progress)
    except ValueError as error:
        raise CheckpointError("does not say what has been done") from error
    if len(progress.epochs) > epochs:
        raise CheckpointError(f"is of {len(progress.epochs)} epochs, where {epochs} are to be done")
    _restore(module, optimizer, tensors)
    return progress


def _restore(module: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    expected = {f"module.{name}": t for name, t in module.state_dict().items()}
    state = {
        i: tensors_of_parameter
        for i, tensors_of_parameter in _after_a_step(optimizer).items()
        # a parameter that had no gradient has no state
        if any(f"optimizer.{i}.{key}" in tensors for key in tensors_of_parameter)
    }
    expected |= {
        f"optimizer.{i}.{key}": t
        for i, tensors_of_parameter in state.items()
        for key, t in tensors_of_parameter.items()
    }
    if _forms(tensors) != _forms(expected):
        raise CheckpointError("is of another network")
    module.load_state_dict({name: tensors[f"module.{name}"] for name in module.state_dict()})
    for i, tensors_of_parameter in state.items():
        for key, t in tensors_of_parameter.items():
            t.copy_(tensors[f"optimizer.{i}.{key}"])
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _state(optimizer: torch.optim.Optimizer) -> dict[int, dict[str, torch.Tensor]]:
    """Returns the tensors that an optimizer keeps of each parameter: momentum, moments, counts of steps."""
    state = {
        i: {key: value for key, value in values.items() if value is not None}
        for i, values in optimizer.state_dict()["state"].items()
    }
    assert all(isinstance(value, torch.Tensor) for values in state.values() for value in values.values())
    return state


def _after_a_step(optimizer: torch.optim.Optimizer) -> dict[int, dict[str, torch.Tensor]]:
    """Returns the state of a copy that has stepped: its names and forms, each in its parameter's own layout.

    The layout matters, since fused optimizers pair elements by memory order.
    """
    copy = deepcopy(optimizer)
    for group in copy.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    copy.step()
    return _state(copy)


def _forms(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[torch.dtype, torch.Size]]:
    return {name: (t.dtype, t.shape) for name, t in tensors.items()}


def _checksum(header: dict[str, str], tensors: dict[str, torch.Tensor]) -> str:
    """Returns the SHA-256 over all that `load_checkpoint` uses: the header, and names, types, shapes and values."""
    digest = sha256(msgspec.json.encode(header, order="sorted"))
    for name, t in sorted(tensors.items()):
        digest.update(msgspec.json.encode([name, str(t.dtype), list(t.shape)]))
        digest.update(t.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()

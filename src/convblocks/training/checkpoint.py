"""A training's state on disk: safetensors with its progress as JSON in the header, replaced atomically."""

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
    """What has been done of a training run. Raises ValueError for what no training leaves behind."""

    epochs: tuple[Epoch, ...] = ()
    epoch_s: tuple[float, ...] = ()  # seconds of each epoch
    failure: str = ""

    def __post_init__(self) -> None:
        scores = [score for epoch in self.epochs for score in (epoch.train_score, epoch.validation_score)]
        if len(self.epoch_s) != len(self.epochs) or (self.failure and not self.epochs):
            raise ValueError("expected a time for each epoch, and a failure only after one")
        if not all(0 < s < inf for s in self.epoch_s) or not all(0 <= score <= 1 for score in scores):
            raise ValueError("expected positive times and scores from 0 to 1")


class CheckpointError(Exception):
    """A checkpoint cannot be gone on from; the message, which follows its path, says why."""


def save_checkpoint(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, trial: str, progress: Progress
) -> None:
    """Weights, momentum and progress; all randomness of an epoch comes from its number, so none is stored.

    `trial` is whatever must be the same for a training to go on from it.
    """
    tensors = {f"module.{name}": t.contiguous() for name, t in module.state_dict().items()}
    for i, state in optimizer.state_dict()["state"].items():
        if state.get("momentum_buffer") is not None:
            tensors[f"momentum.{i}"] = state["momentum_buffer"].contiguous()
    header = {"trial": trial, "progress": msgspec.json.encode(progress).decode()}
    write(path, save(tensors, {**header, "sha256": _checksum(header, tensors)}))


def load_checkpoint(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, trial: str, *, epochs: int
) -> Progress:
    """Restore a state and return how far it had come; nothing happens where there is no file.

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
        raise CheckpointError("is of another training")
    try:
        progress = msgspec.json.decode(header.get("progress", ""), type=Progress)
    except ValueError as error:
        raise CheckpointError("does not say what has been done") from error
    if len(progress.epochs) > epochs:
        raise CheckpointError(f"is of {len(progress.epochs)} epochs, where {epochs} are to be done")
    _restore(module, optimizer, tensors)
    return progress


def _restore(module: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    parameters = dict(enumerate(p for group in optimizer.param_groups for p in group["params"]))
    expected = {f"module.{name}": t for name, t in module.state_dict().items()}
    momenta = {f"momentum.{i}": p for i, p in parameters.items() if f"momentum.{i}" in tensors}
    if _forms(tensors) != _forms(expected | momenta):
        raise CheckpointError("is of another network")
    module.load_state_dict({name: tensors[f"module.{name}"] for name in module.state_dict()})
    state = optimizer.state_dict()
    # in the parameter's own layout: fused SGD pairs elements by memory order
    state["state"] = {
        i: {"momentum_buffer": torch.empty_like(parameters[i]).detach().copy_(tensors[f"momentum.{i}"])}
        for i in parameters
        if f"momentum.{i}" in tensors
    }
    optimizer.load_state_dict(state)


def _forms(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[torch.dtype, torch.Size]]:
    return {name: (t.dtype, t.shape) for name, t in tensors.items()}


def _checksum(header: dict[str, str], tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 over all that `load_checkpoint` gives on: the header's texts, and names, types, shapes and values."""
    digest = sha256(msgspec.json.encode(header, order="sorted"))
    for name, t in sorted(tensors.items()):
        digest.update(msgspec.json.encode([name, str(t.dtype), list(t.shape)]))
        digest.update(t.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()

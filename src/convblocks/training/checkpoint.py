"""A training state on disk: safetensors with its progress as JSON in the header, replaced atomically."""

from pathlib import Path

import msgspec
import torch
from msgspec import Struct
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from convblocks.files import write
from convblocks.records import Epoch


class Progress(Struct, frozen=True):
    """What has been done of a training run."""

    epochs: tuple[Epoch, ...] = ()
    epoch_s: tuple[float, ...] = ()
    failure: str = ""


def save_checkpoint(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Weights, momentum and progress; all randomness of an epoch comes from its number, so none is stored."""
    tensors = {f"module.{name}": t.contiguous() for name, t in module.state_dict().items()}
    for i, state in optimizer.state_dict()["state"].items():
        if state.get("momentum_buffer") is not None:
            tensors[f"momentum.{i}"] = state["momentum_buffer"].contiguous()
    write(path, save(tensors, {"progress": msgspec.json.encode(progress).decode()}))


def load_checkpoint(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Restore a state and say how far it had come; nothing happens if there is no readable checkpoint."""
    try:
        with safe_open(path, "pt") as file:
            progress = msgspec.json.decode(file.metadata()["progress"], type=Progress)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, SafetensorError, msgspec.MsgspecError, KeyError, TypeError):
        return Progress()
    weights = {name.removeprefix("module."): t for name, t in tensors.items() if name.startswith("module.")}
    module.load_state_dict(weights)
    state = optimizer.state_dict()
    parameters = dict(enumerate(p for group in optimizer.param_groups for p in group["params"]))
    # in the parameter's own layout: fused SGD pairs elements by memory order
    state["state"] = {
        i: {"momentum_buffer": torch.empty_like(parameters[i]).detach().copy_(tensors[f"momentum.{i}"])}
        for i in parameters
        if f"momentum.{i}" in tensors
    }
    optimizer.load_state_dict(state)
    return progress

"""The weight layers on a module's main path, as one real forward pass calls them.

Everything here works on a copy, so the user's module keeps its weights, statistics, gradients and modes.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from convblocks.analysis.trace.duplicate import copy_of
from convblocks.analysis.trace.restore import restored
from convblocks.analysis.trace.trace import refusal_of_batch
from convblocks.analysis.trace.walk import tensors
from convblocks.errors import OptionError, TraceError
from convblocks.text import times

WEIGHT_LAYERS = (_ConvNd, nn.Linear)
SIDE_PATHS = frozenset({"shortcut", "downsample", "skip"})


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a weight layer: its path, itself, and the tensors it was given and gave."""

    name: str
    layer: nn.Module
    given: torch.Tensor
    output: torch.Tensor


def inputs_for(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Returns `x` (N, C, *spatial) in the dtype and on the device of the module's weights. Raises OptionError."""
    if x.ndim < 2 or len(x) == 0:
        raise OptionError("x", tuple(x.shape), "expected a batch (N, C, *spatial) of at least one example")
    weight = next((p for p in module.parameters() if p.is_floating_point()), x)
    kind = weight.dtype if weight.is_floating_point() else torch.float32
    return x.detach().to(device=weight.device, dtype=kind)


@contextmanager
def seeded(seed: int, x: torch.Tensor, module: nn.Module) -> Iterator[None]:
    """Draws from `seed` within; restores the generators, and the module, which its copy's hooks may change."""
    with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []), restored(module.modules()):
        torch.manual_seed(seed)
        yield


def main_path_calls(module: nn.Module, x: torch.Tensor) -> tuple[list[Call], torch.Tensor]:
    """Runs the module; returns its weight layers' calls in order, and its first output.

    Left out: paths with a part called shortcut, downsample or skip, and layers on a map of one position
    between layers on larger ones, which are a squeeze-and-excitation's. The tensors kept are those before any in-place
    activation: the network goes on with a clone. Raises TraceError.
    """
    calls: list[Call] = []

    def keep(name: str, layer: nn.Module, given: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        calls.append(Call(name, layer, given, output))
        return output.clone()

    with hooked(module, keep):
        result = run(module, x)
    calls = on_main_path(calls)
    if not calls:
        scripted = any(isinstance(m, torch.jit.ScriptModule) for m in module.modules())
        raise TraceError(
            f"{type(module).__name__} calls no convolution or linear module on its main path; nothing to measure"
            + (
                ", for those of TorchScript cannot be watched: give the module before it is scripted"
                if scripted
                else ""
            )
        )
    return calls, result


Hook = Callable[[str, nn.Module, torch.Tensor, torch.Tensor], torch.Tensor | None]
"""Takes path, layer, input and output; a tensor that it returns goes on in place of the output."""


@contextmanager
def hooked(module: nn.Module, hook: Hook) -> Iterator[None]:
    """Calls `hook` after every weight layer within."""

    def hooking(name: str) -> Callable[..., torch.Tensor | None]:
        return lambda layer, given, named, output: hook(name, layer, (*given, *named.values())[0], output)

    handles = [
        layer.register_forward_hook(hooking(name), with_kwargs=True)
        for name, layer in module.named_modules()
        if isinstance(layer, WEIGHT_LAYERS)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def run(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Returns the first tensor that the module gives for x. Raises TraceError."""
    try:
        result = module(x.clone())  # a first layer that works in place would change a leaf
    except Exception as error:  # a forward may raise anything
        if refused := refusal_of_batch(module, x, error):
            raise refused from error
        shape = times(x.shape)
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TraceError(f"{type(module).__name__} cannot take a batch of {shape}: {reason}") from error
    tensor = next(tensors(result), None)
    if tensor is None:
        raise TraceError(f"{type(module).__name__} gives a {type(result).__name__}; expected a tensor")
    return tensor


@contextmanager
def backward_of(module: nn.Module) -> Iterator[None]:
    """Turns autograd's errors within into a TraceError that says what to do."""
    try:
        yield
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise TraceError(
            f"{type(module).__name__}: forward runs, backward fails: {_cause(reason)}"
        ) from error


def _cause(reason: str) -> str:
    """Returns what autograd's message means, with the fix."""
    if "modified by an inplace operation" in reason:
        tensor = re.search(r"is output \d+ of (\w+?)Backward", reason)
        made = f" (a result of {tensor[1]})" if tensor else ""
        return (
            f"a tensor that backward needs{made} is overwritten in place after its use; fix: write y = y + 1 for "
            "y += 1 and inplace=False for inplace=True there, or work on y.clone()"
        )
    if "backward through the graph a second time" in reason:
        return "the forward keeps a tensor of an earlier pass with its history; fix: keep it as y.detach()"
    return reason[:240]


def on_main_path(calls: list[Call]) -> list[Call]:
    """Leaves out side paths; see `main_path_calls`."""
    calls = [call for call in calls if not SIDE_PATHS & set(call.name.split("."))]
    wide = {i for i, call in enumerate(calls) if positions(call.layer, call.output) > 1}
    first, last = (min(wide), max(wide)) if wide else (0, -1)
    return [call for i, call in enumerate(calls) if i in wide or not first < i < last]


def positions(layer: nn.Module, tensor: torch.Tensor) -> int:
    """Counts the positions of a layer's input or output, without channels and batch."""
    spatial = tensor.shape[1:-1] if isinstance(layer, nn.Linear) else tensor.shape[2:]
    return prod(spatial)


def weights_of(layer: nn.Module) -> list[torch.Tensor]:
    """Returns a weight layer's parameters but for its bias; several where the weight is parametrised."""
    return [p for name, p in layer.named_parameters() if not name.endswith("bias")]


def settled(module: nn.Module, x: torch.Tensor) -> nn.Module:
    """Returns a copy in eval mode, where batch norms that were given no batch yet take the statistics of `x`.

    In eval mode an example's gradient is its own, which in training mode it is not; but a fresh batch norm
    would do nothing there.
    """
    copy = copy_of(module).eval()
    fresh = [
        norm
        for norm in copy.modules()
        if isinstance(norm, _BatchNorm)
        and norm.num_batches_tracked is not None
        and int(norm.num_batches_tracked) == 0
    ]
    momenta = [norm.momentum for norm in fresh]
    for norm in fresh:
        norm.train().momentum = 1.0
    if fresh:
        with torch.no_grad():
            run(copy, x)
    for norm, momentum in zip(fresh, momenta, strict=True):
        norm.eval().momentum = momentum
    return copy

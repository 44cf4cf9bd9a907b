"""How the gradient fares on its way back through a module's convolutions."""

import torch
import torch.nn.functional as F
from torch import nn


def gradient_norms(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    """‖∂loss/∂weight‖₂ of every convolution on the main path, by module path, in order of execution.

    One batch `x` (N, C, *spatial) with classes `y` (N,), in training mode, at the module's present weights.
    Shortcuts (any path with a part called ``shortcut`` or ``downsample``) are left out. Gradients are cleared.
    """
    order: list[str] = []
    layers = {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d)
        and not {"shortcut", "downsample"} & set(name.split("."))
    }
    hooks = [
        layer.register_forward_hook(lambda *_, name=name: order.append(name))
        for name, layer in layers.items()
    ]
    try:
        module.zero_grad(set_to_none=True)
        F.cross_entropy(module(x), y).backward()
        gradients = {name: layers[name].weight.grad for name in dict.fromkeys(order)}
        return {
            name: 0.0 if g is None else float(torch.linalg.vector_norm(g)) for name, g in gradients.items()
        }
    finally:
        module.zero_grad(set_to_none=True)
        for hook in hooks:
            hook.remove()

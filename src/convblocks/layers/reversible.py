"""A chain of additive couplings whose activations are not kept: backward computes them again from the chain's output.

Gomez et al. 2017, arXiv:1707.04585, section 3.2. A function f takes the pair (a, b) to (b, a + f(b)), which is undone
by (y, z) → (z − f(y), y). Two of them, F and G, make the paper's coupling: y1 = x1 + F(x2), y2 = x2 + G(y1).
"""

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call

Pair = tuple[torch.Tensor, torch.Tensor]


def reversible(functions: nn.ModuleList, a: torch.Tensor, b: torch.Tensor) -> Pair:
    """The pair behind all functions; autograd keeps that pair alone, whatever their number.

    Each function keeps its input's shape, does not write to it, and gives the same when run again: none may
    draw random numbers. Backward runs each a second time, on copies of its buffers, so that running statistics
    move once, and in the mode (training, autocast) of the first time. Under autocast the sums are in single
    precision. Gradients of gradients are refused by PyTorch. Under torch.compile and torch.export the chain is
    ordinary code, for which the compiler decides what is kept.
    """
    if _autocast(a.device.type)["enabled"]:
        a, b = a.float(), b.float()
    if not functions or not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return couple(functions, a, b)
    parameters = [p for f in functions for p in f.parameters()]
    pair: Pair = _Chain.apply(functions, a, b, *parameters)  # type: ignore[no-untyped-call]
    return pair


def couple(functions: nn.ModuleList, a: torch.Tensor, b: torch.Tensor) -> Pair:
    """The same by ordinary autograd, which keeps what every function needs."""
    for f in functions:
        a, b = b, a + f(b)
    return a, b


class _Chain(torch.autograd.Function):
    """The parameters are arguments, so that autograd knows of them and notices if one is changed before backward.

    Both passes write to one pair of halves of their own, since on a CPU new memory costs more than the sum itself.
    """

    @staticmethod
    def forward(
        ctx: Any, functions: nn.ModuleList, a: torch.Tensor, b: torch.Tensor, *parameters: Any
    ) -> Pair:
        a, b = a.clone(), b.clone()
        for f in functions:
            a, b = b, a.add_(f(b))
        ctx.functions, ctx.training = functions, [m.training for m in functions.modules()]
        ctx.autocast = _autocast(a.device.type)
        ctx.save_for_backward(a, b, *parameters)
        return a, b

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_a: torch.Tensor, grad_b: torch.Tensor) -> tuple[Any, ...]:
        a, b, *parameters = ctx.saved_tensors
        a, b = a.clone(), b.clone()
        now = [m.training for m in ctx.functions.modules()]
        found: list[torch.Tensor | None] = []
        try:
            _set_modes(ctx.functions, ctx.training)
            for f in reversed(ctx.functions):
                own = {
                    name: parameters.pop() for name in reversed([name for name, _ in f.named_parameters()])
                }
                grad_x, of = _undo(f, own, a, b, grad_b, ctx.autocast)
                a, b = b, a
                # What is added comes second, for a sum has the layout of its first: here that of the map.
                grad_a, grad_b = grad_b, grad_x + grad_a
                del grad_x  # or it is there while the next function runs
                found += [of.get(name) for name in own]
        finally:
            _set_modes(ctx.functions, now)
        return None, grad_a, grad_b, *reversed(found)


def _undo(
    f: nn.Module,
    own: dict[str, torch.Tensor],
    x: torch.Tensor,
    y: torch.Tensor,
    grad: torch.Tensor,
    autocast: dict[str, Any],
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Take f(x) away from y, in place; the gradients of x and of the parameters, from that of f(x)."""
    with torch.enable_grad(), torch.autocast(**autocast):
        x = x.detach().requires_grad_()
        out = functional_call(f, {**own, **{name: t.clone() for name, t in f.named_buffers()}}, (x,))
    y.sub_(out.detach())
    learnt = {name: p for name, p in own.items() if p.requires_grad}
    grad_x, *grads = torch.autograd.grad(out, (x, *learnt.values()), grad.to(out.dtype))
    return grad_x, dict(zip(learnt, grads, strict=True))


def _set_modes(functions: nn.ModuleList, modes: list[bool]) -> None:
    for m, mode in zip(functions.modules(), modes, strict=True):
        m.training = mode


def _autocast(device: str) -> dict[str, Any]:
    """The arguments that repeat the autocast that is on."""
    if not torch.amp.is_autocast_available(device):  # such as meta
        return {"device_type": "cpu", "enabled": False}
    return {
        "device_type": device,
        "dtype": torch.get_autocast_dtype(device),
        "enabled": torch.is_autocast_enabled(device),
        "cache_enabled": False,
    }

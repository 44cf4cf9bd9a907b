"""A chain of additive couplings whose activations are not kept: backward computes them again from the chain's output.

Gomez et al. 2017, arXiv:1707.04585, section 3.2. A function f takes the pair (a, b) to (b, a + f(b)), which is undone
by (y, z) → (z − f(y), y). Two of them, F and G, make the paper's coupling: y1 = x1 + F(x2), y2 = x2 + G(y1).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

Pair = tuple[torch.Tensor, torch.Tensor]


def reversible(functions: nn.ModuleList, a: torch.Tensor, b: torch.Tensor) -> Pair:
    """Returns the pair behind all functions; autograd keeps that pair alone, whatever their number.

    Each function keeps its input's shape, does not write to it, and gives the same when run again: none may
    draw random numbers. Backward runs each a second time, on copies of its buffers, so that running statistics
    move once, and in the mode (training, autocast) of the first time. Under autocast the sums are in single
    precision. Gradients of gradients raise RuntimeError. Under torch.compile and torch.export the chain
    is ordinary code, for which the compiler decides what is kept; so it is where a forward hook waits on one of
    its modules, since what a hook is shown should be part of the graph.
    """
    if _autocast(a.device.type)["enabled"]:
        a, b = a.float(), b.float()
    watched = any(m._forward_hooks for m in functions.modules())
    if not functions or watched or not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return couple(functions, a, b)
    pair: Pair = _Chain.apply(functions, a, b, *functions.parameters())  # type: ignore[no-untyped-call]
    return pair


def couple(functions: nn.ModuleList, a: torch.Tensor, b: torch.Tensor) -> Pair:
    """Returns the same pair by ordinary autograd, which keeps what every function needs."""
    for f in functions:
        a, b = b, a + f(b)
    return a, b


class _Chain(torch.autograd.Function):
    """The chain as one op of autograd.

    The parameters are arguments, so that autograd knows of them and notices if one is changed before backward. Both
    passes write to one pair of halves of their own, since on a CPU new memory costs more than the sum itself.
    """

    @staticmethod
    def forward(
        ctx: Any, functions: nn.ModuleList, a: torch.Tensor, b: torch.Tensor, *parameters: Any
    ) -> Pair:
        a, b = a.clone(), b.clone()
        for f in functions:
            a, b = b, a.add_(f(b))
        place = {id(p): i for i, p in enumerate(parameters)}
        modules = list(functions.modules())
        ctx.functions, ctx.modules, ctx.training = functions, modules, [m.training for m in modules]
        ctx.places = [[place[id(p)] for p in m._parameters.values() if p is not None] for m in modules]
        ctx.own = [[place[id(p)] for p in f.parameters() if p.requires_grad] for f in functions]
        ctx.autocast = _autocast(a.device.type)
        ctx.save_for_backward(a, b, *parameters)
        return a, b

    @staticmethod
    def backward(ctx: Any, grad_a: torch.Tensor, grad_b: torch.Tensor) -> tuple[Any, ...]:
        a, b, *parameters = ctx.saved_tensors
        with torch.no_grad():
            grads = _gradients(ctx, a.clone(), b.clone(), grad_a, grad_b, parameters)
        # a gradient of these will be computed, by any of what they depend on
        if torch.is_grad_enabled():
            grads = _Once.apply(len(grads), a, b, grad_a, grad_b, *parameters, *grads)  # type: ignore[no-untyped-call]
        return None, *grads


class _Once(torch.autograd.Function):
    """Passes on the last `count` tensors, and refuses gradients of them.

    PyTorch's once_differentiable tells only who asks for all leaves; torch.autograd.grad would take it to be 0.
    """

    @staticmethod
    def forward(_ctx: Any, count: int, *tensors: torch.Tensor | None) -> tuple[Any, ...]:
        return tuple(t if t is None else t.view_as(t) for t in tensors[-count:])

    @staticmethod
    def backward(_ctx: Any, *_grads: torch.Tensor) -> tuple[Any, ...]:
        raise RuntimeError(
            "a reversible chain gives no gradients of gradients, as it keeps no activations; "
            "for these run its functions by ordinary autograd, which is `couple`"
        )


def _gradients(
    ctx: Any,
    a: torch.Tensor,
    b: torch.Tensor,
    grad_a: torch.Tensor,
    grad_b: torch.Tensor,
    parameters: list[torch.Tensor],
) -> list[torch.Tensor | None]:
    """Returns the gradients of the chain's inputs and parameters, from its output, which is undone in place."""
    grads: list[torch.Tensor | None] = [None] * len(parameters)
    with _as_before(ctx, parameters):
        for f, indices in zip(reversed(ctx.functions), reversed(ctx.own), strict=True):
            grad_x, *grads_of_f = _undo(ctx, f, a, b, grad_b, [parameters[i] for i in indices])
            a, b = b, a
            # What is added comes second, for a sum has the layout of its first: here that of the map.
            grad_a, grad_b = grad_b, grad_x + grad_a
            # or it is there while the next function runs
            del grad_x
            for i, grad in zip(indices, grads_of_f, strict=True):
                grads[i] = grad if (other_grad := grads[i]) is None else other_grad + grad
    return [grad_a, grad_b, *grads]


def _undo(
    ctx: Any,
    f: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    grad: torch.Tensor,
    parameters: list[torch.Tensor],
) -> tuple[torch.Tensor, ...]:
    """Takes f(x) off y in place; returns the gradients of x and of the parameters, from that of f(x)."""
    with torch.enable_grad(), torch.autocast(**ctx.autocast):
        x = x.detach().requires_grad_()
        out = f(x)
    y.sub_(out.detach())
    return torch.autograd.grad(out, (x, *parameters), grad.to(out.dtype))


@contextmanager
def _as_before(ctx: Any, parameters: list[torch.Tensor]) -> Iterator[None]:
    """Gives the modules the parameters and the modes of the forward pass, and copies of their buffers."""
    states = [(m.training, dict(m._parameters), dict(m._buffers)) for m in ctx.modules]
    try:
        for m, training, places in zip(ctx.modules, ctx.training, ctx.places, strict=True):
            names = [name for name, p in m._parameters.items() if p is not None]
            m.training = training
            m._parameters.update(zip(names, (parameters[i] for i in places), strict=True))
            m._buffers.update({name: b if b is None else b.clone() for name, b in m._buffers.items()})
        yield
    finally:
        for m, (training, parameters_now, buffers) in zip(ctx.modules, states, strict=True):
            m.training = training
            m._parameters.update(parameters_now)
            m._buffers.update(buffers)


def _autocast(device: str) -> dict[str, Any]:
    """Returns the arguments that repeat the autocast that is on."""
    # such as meta
    if not torch.amp.is_autocast_available(device):
        return {"device_type": "cpu", "enabled": False}
    return {
        "device_type": device,
        "dtype": torch.get_autocast_dtype(device),
        "enabled": torch.is_autocast_enabled(device),
        "cache_enabled": False,
    }

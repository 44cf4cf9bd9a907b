"""The norms of a batch on its way through a module, and of its gradient on the way back.

At initialisation, or at any other weights; `signal_along` measures while a copy trains. The theory of the
rates: He et al. 2015 (arXiv:1502.01852) for ReLU, Schoenholz et al. 2017 (arXiv:1611.01232) for tanh.
"""

from collections.abc import Callable, Sequence
from itertools import cycle, islice

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.conv import _ConvNd

from convblocks.analysis.trace.duplicate import copy_of
from convblocks.errors import OptionError, TraceError
from convblocks.records import LayerSignal, Signal, SignalAlong, SignalStep
from convblocks.signal.observe import (
    Call,
    backward_of,
    inputs_for,
    main_path_calls,
    positions,
    run,
    seeded,
    weights_of,
)
from convblocks.signal.rates import finite, fit_rate
from convblocks.signal.shattering import shattered_gradients
from convblocks.signal.symptoms import symptoms_of

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Batch = tuple[torch.Tensor, torch.Tensor]
STEP = 1e-2  # of the largest entry of a parameter that starts at zero
RESOLVED = 1e-6  # of an output, for a difference between examples to be more than rounding


def signal(
    module: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor | None = None,
    *,
    loss: Loss | None = None,
    training: bool = True,
    shattering: bool = True,
    seed: int = 0,
) -> Signal:
    """Measures activations and gradients at every weight layer on the main path, with their rates and symptoms.

    The module is not changed, and no state of a random generator either. A layer whose figures are 0 only as long as
    trainable parameters are 0 that start so, as the last norm of a residual branch (Goyal et al. 2017,
    arXiv:1706.02677, section 5.1), is not among the symptoms.

    Args:
        module: any module with convolutions or linear layers.
        x: a batch (N, C, *spatial), best a real one.
        y: its classes (N,), or whatever `loss` takes. Without y, gradients are those of ⟨output, v⟩ / N, with v
            standard normal.
        loss: takes (output, y); cross-entropy if not given.
        training: measure in training mode, where batch norms use this batch.
        shattering: also correlate the gradients at neighbouring inputs, for two examples or more.
        seed: of everything random.

    Raises:
        OptionError: for an x that is no batch.
        TraceError: for a module that cannot be run, or that y does not fit.
    """
    x = inputs_for(module, x)
    with seeded(seed, x, module):
        layers, body, unreached = _layers(copy_of(module).train(training), x, y, loss)
        shattered = shattered_gradients(module, x, seed=seed) if shattering and len(x) > 1 else None
        dead = _dead(layers)
        if dead:
            dead &= _dead_once_zeros_learn(module, x, y, loss, training=training)
    activation = fit_rate([_resolved_spread(layer) for layer in layers[:body]])
    gradient = fit_rate([layer.gradient_norm for layer in reversed(layers[:body])])
    return Signal(
        loss=_loss_name(y, loss),
        batch=len(x),
        training=training,
        layers=layers,
        unreached=unreached,
        activation=activation,
        gradient=gradient,
        shattering=shattered,
        symptoms=symptoms_of(layers, activation, gradient, shattered, dead),
    )


def gradient_norms(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, float | None]:
    """Returns ‖∂loss/∂weight‖₂ of every convolution on the main path, by module path, in order of execution.

    Measured in training mode, at the module's present weights. None: not finite.

    Args:
        module: a classifier; it is not changed.
        x: one batch (N, C, *spatial).
        y: its classes (N,).
    """
    layers = signal(module, x, y, shattering=False).layers
    # a class of the user's own may be a convolution under another name
    convolutions = {name for name, part in module.named_modules() if isinstance(part, _ConvNd)}
    return {
        layer.name: layer.weight_gradient_norm
        for layer in layers
        if "Conv" in layer.type or layer.name in convolutions
    }


def signal_along(
    module: nn.Module,
    batches: Sequence[Batch],
    *,
    steps: Sequence[int] = (0, 1, 10, 100),
    learning_rate: float = 0.05,
    momentum: float = 0.9,
    shattering: bool = False,
    seed: int = 0,
) -> SignalAlong:
    """Measures the signal of the first batch after each of `steps` SGD steps of a copy of the module.

    Ends early, at a last record, where the loss is no longer finite. The module is not changed.

    Args:
        module: a classifier with convolutions or linear layers.
        batches: pairs of x (N, C, *spatial) and classes (N,), gone through in order and again from the start.
        steps: numbers of steps to measure after; 0 is before the first.
        learning_rate: of SGD.
        momentum: of SGD.
        shattering: see `signal`.
        seed: of everything random.

    Raises:
        OptionError: for no batches, or no steps.
        TraceError: as `signal` does.
    """
    if not batches:
        raise OptionError("batches", batches, "expected at least one pair (x, y)")
    if not steps or min(steps) < 0:
        raise OptionError("steps", steps, "expected numbers of steps of at least 0")
    copy = copy_of(module).train()
    optimizer = torch.optim.SGD(copy.parameters(), lr=learning_rate, momentum=momentum)
    batches = [(inputs_for(copy, x), y) for x, y in batches]
    x, y = batches[0]
    records: list[SignalStep] = []
    with seeded(seed, x, module):
        for step, batch in enumerate(islice(cycle(batches), max(steps) + 1)):
            if step in steps:
                measured = signal(copy, x, y, shattering=shattering, seed=seed)
                records.append(SignalStep(step=step, loss=_loss_of(copy, x, y), signal=measured))
                if records[-1].loss is None:
                    break
            optimizer.zero_grad(set_to_none=True)
            with backward_of(module):
                _loss(copy(batch[0]), batch[1], None).backward()
            optimizer.step()
    optimized_by = f"SGD, learning rate {learning_rate:g}, momentum {momentum:g}, batches of {len(x)}"
    return SignalAlong(optimizer=optimized_by, steps=tuple(records))


def _resolved_spread(layer: LayerSignal) -> float | None:
    """Returns the spread between examples; None where it is lost in the rounding of a float32."""
    if layer.spread is None or layer.rms is None or layer.spread < RESOLVED * layer.rms:
        return None
    return layer.spread


def _dead(layers: Sequence[LayerSignal]) -> set[str]:
    return {layer.name for layer in layers if layer.rms == 0 or layer.gradient_norm == 0}


def _dead_once_zeros_learn(
    module: nn.Module, x: torch.Tensor, y: torch.Tensor | None, loss: Loss | None, *, training: bool
) -> set[str]:
    """Returns the layers that are still dead after a step of the trainable parameters that are all 0.

    Only those parameters move, and only by a gradient that is not 0.

    Steps are taken until no such parameter is left, as a zero head lets a gradient through to the zero norms below it
    only after its own step.
    """
    copy = copy_of(module).train(training)
    trainable = {name for name, p in module.named_parameters() if p.requires_grad}
    zeros = {name: p for name, p in copy.named_parameters() if name in trainable and not p.any()}
    while zeros:
        value = _loss(run(copy, x), y, loss)
        with backward_of(module):
            gradients = torch.autograd.grad(value, list(zeros.values()), allow_unused=True)
        step = {
            name: g
            for name, g in zip(zeros, gradients, strict=True)
            if g is not None and g.any() and g.isfinite().all()
        }
        if not step:
            break
        for name, gradient in step.items():
            zeros.pop(name).data.sub_(STEP * gradient / gradient.abs().max())
    return _dead(_layers(copy, x, y, loss)[0])


def _loss_of(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float | None:
    with torch.no_grad():
        return finite(float(_loss(copy_of(module)(x), y, None)))


def _layers(
    module: nn.Module, x: torch.Tensor, y: torch.Tensor | None, loss: Loss | None
) -> tuple[tuple[LayerSignal, ...], int, tuple[str, ...]]:
    """Measures the layers that the loss depends on.

    Returns:
        Their signals, how many of them come before the head, and the names of the layers that no gradient reaches.
    """
    calls, output = main_path_calls(module, x.requires_grad_())
    value = _loss(output, y, loss)
    weights = {call.name: weights_of(call.layer) for call in calls}
    followed = [*(call.output for call in calls), *(w for own in weights.values() for w in own)]
    with backward_of(module):
        gradients = _gradients(value, followed)
    of_outputs = gradients[: len(calls)]
    rest = iter(gradients[len(calls) :])
    of_weights = {name: [next(rest) for _ in own] for name, own in weights.items()}
    reached = [call for call, g in zip(calls, of_outputs, strict=True) if g is not None]
    layers = tuple(
        _layer(call, g, of_weights[call.name])
        for call, g in zip(calls, of_outputs, strict=True)
        if g is not None
    )
    wide = [i for i, call in enumerate(reached) if positions(call.layer, call.output) > 1]
    if not reached:
        raise TraceError(
            f"no gradient reaches a layer of {type(module).__name__}; does it run under no_grad?"
        )
    unreached = [call.name for call, g in zip(calls, of_outputs, strict=True) if g is None]
    return layers, wide[-1] + 1 if wide else len(layers), tuple(dict.fromkeys(unreached))


def _gradients(value: torch.Tensor, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor | None]:
    """Returns ∂value/∂tensor; None where there is no dependence, or none that autograd saw, as under no_grad."""
    differentiable = [t for t in tensors if t.requires_grad]
    gradients = iter(
        torch.autograd.grad(value, differentiable, allow_unused=True) if value.requires_grad else ()
    )
    return [next(gradients, None) if t.requires_grad else None for t in tensors]


def _layer(call: Call, gradient: torch.Tensor, of_weight: Sequence[torch.Tensor | None]) -> LayerSignal:
    output = call.output.detach().double()
    spread = output.var(0, correction=0).mean().sqrt()
    parts = [torch.linalg.vector_norm(g.double()) for g in of_weight if g is not None]
    return LayerSignal(
        name=call.name,
        type=type(call.layer).__name__,
        rms=finite(float(output.square().mean().sqrt())),
        spread=finite(float(spread)),
        gradient_norm=finite(float(torch.linalg.vector_norm(gradient.double()))),
        weight_gradient_norm=finite(float(torch.stack(parts).norm())) if parts else 0.0,
    )


def _loss(output: torch.Tensor, y: torch.Tensor | None, loss: Loss | None) -> torch.Tensor:
    """Returns the number that gradients are taken of. Raises TraceError for labels that do not fit."""
    if y is None:
        return (output * torch.randn_like(output)).sum() / len(output)
    y = y.to(output.device)
    try:
        return F.cross_entropy(output, y) if loss is None else loss(output, y)
    except (RuntimeError, ValueError, IndexError) as error:
        shapes = f"output {tuple(output.shape)}, y {tuple(y.shape)} of {y.dtype}"
        name = "cross-entropy" if loss is None else getattr(loss, "__name__", "the loss")
        reason = " ".join(str(error).split())
        raise TraceError(f"{name} cannot take {shapes}: {reason}") from error


def _loss_name(y: torch.Tensor | None, loss: Loss | None) -> str:
    if y is None:
        return "a random cotangent: ⟨output, v⟩ / N, v standard normal"
    return (
        "cross-entropy with the given classes"
        if loss is None
        else getattr(loss, "__name__", "the given loss")
    )

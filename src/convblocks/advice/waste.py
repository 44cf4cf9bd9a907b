"""CB104 and CB105: branches that nothing depends on, and layers computed twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from convblocks.advice.view import View, Violation, named
from convblocks.analysis.cost import macs
from convblocks.analysis.trace import Call, OpCall, Value
from convblocks.analysis.trace.private import WithoutWrites
from convblocks.analysis.trace.restore import restored
from convblocks.analysis.trace.trace import meta_inputs
from convblocks.analysis.trace.values import META
from convblocks.analysis.trace.walk import parameters, tensors
from convblocks.text import plural


def dead_branches(view: View) -> Iterator[Violation]:
    """Finds modules that no output depends on, and parameters that no op reads, in eval mode and in training."""
    alive = _alive(view)
    dead = [op not in alive for op in view.trace.ops]
    read = {p.name for p in view.trace.parameters.values()}
    own = parameters(view.module)
    unread = {name: p for name, p in own.items() if name not in read}
    calls = list(_outermost(view, dead))
    if not unread and not calls:
        return
    learning = _learning(view)
    for call in calls:
        inside = [name for name in own if name.startswith(f"{call.path}.") or not call.path]
        spent = sum(map(macs, view.trace.ops[call.start : call.stop]))
        held = sum(own[name].numel() for name in inside)
        if learning.isdisjoint(inside) and (spent or held):
            yield Violation(
                place=call.path,
                message=f"no output depends on what it computes: {plural(held, 'parameter')} and "
                f"{plural(spent, 'MAC')} an image for nothing",
                fix="use its output or remove it",
                figures={"params": held, "macs": spent},
            )
    by_module: dict[str, int] = {}
    for name, p in unread.items():
        if name not in learning:
            home = _largest(name, read | learning)
            by_module[home] = by_module.get(home, 0) + p.numel()
    for home, count in by_module.items():
        yield Violation(
            place=home,
            message=f"no forward reads its {plural(count, 'parameter')}",
            fix="use it in forward or remove it; optimizers with weight decay, and checkpoints, still carry it",
            figures={"params": count},
        )


def _largest(name: str, used: set[str]) -> str:
    """Returns the outermost module around a parameter in which none is used; else the parameter itself."""
    parts = name.split(".")
    for depth in range(1, len(parts)):
        path = ".".join(parts[:depth])
        if not any(other.startswith(f"{path}.") for other in used):
            return path
    return name


def _alive(view: View) -> set[OpCall]:
    """Returns the ops that an output depends on; one that writes in place counts for all that shares its memory."""
    wanted = {value.number for value in view.trace.outputs}
    homes = {value.storage for value in view.trace.outputs}
    alive: set[OpCall] = set()
    for op in reversed(view.trace.ops):
        if any(v.number in wanted or (op.in_place and v.storage in homes) for v in op.outputs):
            alive.add(op)
            wanted.update(value.number for value in op.inputs)
            homes.update(value.storage for value in op.inputs)
    return alive


def _outermost(view: View, dead: list[bool]) -> Iterator[Call]:
    """Yields calls all of whose ops are dead, without those inside another such call."""
    end = 0
    for call in view.trace.calls:
        if call.start >= end and call.stop > call.start and all(dead[call.start : call.stop]):
            end = call.stop
            yield call


def _learning(view: View) -> set[str]:
    """Returns the parameters that an output in training mode depends on; all names if that forward fails."""
    names = set(parameters(view.module))
    meta = {
        name: t.detach().to(META).requires_grad_(name in names and t.is_floating_point())
        for name, t in [*parameters(view.module).items(), *view.module.named_buffers()]
    }
    inputs = meta_inputs(view.input_sizes, view.trace.dtypes, 2, view.trace.layout)
    try:
        with (
            training(view.module),
            restored(view.module.modules()),
            torch.random.fork_rng(devices=[]),
            torch.enable_grad(),
            WithoutWrites(),
        ):
            result = functional_call(view.module, meta, tuple(inputs))
            differentiable = {name: t for name, t in meta.items() if t.requires_grad}
            total = sum(t.float().sum() for t in tensors(result) if t.requires_grad)
            gradients = torch.autograd.grad(total, list(differentiable.values()), allow_unused=True)  # type: ignore[arg-type]
    except Exception:  # a forward may raise anything
        return names
    return {name for name, gradient in zip(differentiable, gradients, strict=True) if gradient is not None}


@contextmanager
def training(module: nn.Module) -> Iterator[None]:
    """Puts a module in training mode within, and restores the mode of each part."""
    before = {m: m.training for m in module.modules()}
    try:
        module.train()
        yield
    finally:
        for m, mode in before.items():
            m.training = mode


def duplicate_branches(view: View) -> Iterator[Violation]:
    """Finds layers computed twice, by numbering values by how they are made (Cocke & Schwartz 1970)."""
    numbers: dict[int, int] = {}
    made: dict[Any, tuple[OpCall, tuple[int, ...]]] = {}
    written: dict[int, int] = {}  # by storage: how often it was written in place
    for op in view.trace.ops:
        key = (
            op.name,
            _keyed(op.args, numbers, written),
            _keyed(dict(op.kwargs), numbers, written),
            len(op.outputs),
        )
        if op.in_place:
            written[op.inputs[0].storage] = written.get(op.inputs[0].storage, 0) + 1
        if not op.inputs or op.entry.random or op.in_place:
            continue
        try:
            first, outputs = made.setdefault(key, (op, tuple(value.number for value in op.outputs)))
        except TypeError:  # an argument that cannot be compared
            continue
        if first is op:
            continue
        numbers |= {value.number: n for value, n in zip(op.outputs, outputs, strict=True)}
        if spent := macs(op):
            where = "it has computed" if first.path == op.path else f"{named(first.path)} has computed"
            yield Violation(
                place=op.path,
                message=f"computes again what {where} already: {op.name} of the same tensor with the same weights, "
                f"{plural(spent, 'MAC')} an image",
                fix="compute it once and use the result twice; or was another weight meant?",
                figures={"macs": spent, "first": first.path},
            )


def _keyed(given: Any, numbers: dict[int, int], written: dict[int, int]) -> Any:
    """Returns an argument as a key: tensors by the number of the first that is the same, and by their writes since."""
    if isinstance(given, Value):
        return "value", numbers.get(given.number, given.number), written.get(given.storage, 0)
    if isinstance(given, dict):
        return tuple((name, _keyed(value, numbers, written)) for name, value in given.items())
    if isinstance(given, tuple | list):
        return tuple(_keyed(part, numbers, written) for part in given)
    return type(given).__name__, given

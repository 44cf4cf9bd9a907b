"""Custom autograd functions in a trace: a registered one is an op by itself, of another the forward's ops are seen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import Function, FunctionCtx

from convblocks.analysis.ops.op import OPS, Op
from convblocks.analysis.trace.values import META
from convblocks.analysis.trace.walk import tensors

if TYPE_CHECKING:
    from convblocks.analysis.trace.graph import Value
    from convblocks.analysis.trace.recorder import Recorder


@contextmanager
def functions_recorded(recorder: "Recorder") -> Iterator[None]:
    """Records each custom function: as one op where it is registered, else the ops of its forward and what it saves.

    Autograd sees nothing of a module that it calls, so its backward has to run that again: a segment each, as in
    reversible networks.
    """

    def apply(cls: Any, *args: Any, **kwargs: Any) -> Any:
        ctx: Any = FunctionCtx()
        ctx.needs_input_grad = (True,) * len(args)
        outermost = not recorder.function
        forward = partial(cls.forward, ctx) if _sets_up_itself(cls) else cls.forward
        op = OPS.get(cls.__name__)
        if outermost and op is not None and op.function is cls:
            return _as_one_op(recorder, op, forward, args, kwargs)
        if outermost:
            recorder.function = len(recorder.saves) + 1
        try:
            result = forward(*args, **kwargs)
            if not _sets_up_itself(cls):
                cls.setup_context(ctx, args, result)
            if outermost:
                saved = getattr(ctx, "to_save", ())
                recorder.saves[recorder.function] = tuple([recorder.read(t) for t in tensors(saved)])
        finally:
            if outermost:
                recorder.function = 0
        return result

    theirs = vars(Function)["apply"]
    try:
        Function.apply = classmethod(apply)  # type: ignore[assignment, method-assign]
        yield
    finally:
        Function.apply = theirs  # type: ignore[method-assign]


def _sets_up_itself(function: Any) -> bool:
    """Returns whether the forward of a function takes its context."""
    return function.setup_context is Function.setup_context


def _as_one_op(recorder: "Recorder", op: Op, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Records a registered function by its formula, or by its forward on tensors without data."""
    inputs: list[Value] = []
    shown = tuple([recorder.shown(a, inputs) for a in args])
    shown_by_name = {name: recorder.shown(value, inputs) for name, value in kwargs.items()}
    name = op.names[0]
    recorder.running = name, (args, kwargs)
    with torch._C.DisableTorchFunction():
        args, kwargs = recorder.to_meta(args), recorder.to_meta(kwargs)
        if op.shape is None or op.function is None:
            result = forward(*args, **kwargs)
        else:
            shapes, dtype = op.shape[op.function](*args, **kwargs), next(tensors((args, kwargs))).dtype
            made = [torch.empty(each, dtype=dtype, device=META) for each in _listed(shapes)]
            result = tuple(made) if isinstance(shapes, list) else made[0]
        recorder.note(name, op, shown, shown_by_name, inputs, recorder.written(result, (args, kwargs)))
    recorder.running = None
    return result


def _listed(shapes: Any) -> list[Any]:
    return shapes if isinstance(shapes, list) else [shapes]

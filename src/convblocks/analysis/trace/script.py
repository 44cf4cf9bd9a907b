"""TorchScript in a trace: its ops pass through none of torch's Python functions, and are met at torch's dispatcher.

A script has the ops of ATen. Where these take other arguments than the Python function that the rules know, or have
another name, `translated` says which call of that function it is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from convblocks.analysis.ops.op import AS_FUNCTION

if TYPE_CHECKING:
    from convblocks.analysis.trace.recorder import Recorder

Call = tuple[str, tuple[Any, ...]]


def translated(name: str, args: tuple[Any, ...]) -> Call:
    """The name and arguments of an ATen op as those of the Python function that the rules know."""
    return AS_FUNCTION[name](*args) if name in AS_FUNCTION else (name, args)


class _Dispatched(TorchDispatchMode):
    """Hands the ops of a script to the recorder."""

    def __init__(self, recorder: "Recorder") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.recorder = recorder

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunction():
            return self.recorder.of_script(func, args, kwargs or {})


def _set_grad(enabled: bool) -> None:
    """Unseen by the recorder, to which it would be the module's own."""
    with torch._C.DisableTorchFunction():
        torch._C._set_grad_enabled(enabled)


@contextmanager
def scripts_recorded(recorder: "Recorder") -> Iterator[None]:
    """Tells `recorder` of the ops in TorchScript's modules, their methods and functions."""

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            before = torch.is_grad_enabled()
            _set_grad(False)  # an interpreter's own graph would keep tensors that allow none
            try:
                with _Dispatched(recorder):
                    return original(self, *args, **kwargs)
            finally:
                _set_grad(before)

        return call

    kinds: tuple[Any, ...] = torch._C.ScriptFunction, torch._C.ScriptMethod
    theirs = [kind.__call__ for kind in kinds]
    for kind, original in zip(kinds, theirs, strict=True):
        kind.__call__ = watched(original)
    try:
        yield
    finally:
        for kind, original in zip(kinds, theirs, strict=True):
            kind.__call__ = original

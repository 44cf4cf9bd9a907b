"""TorchScript in a trace: its ops pass through none of torch's Python functions, and are met at torch's dispatcher.

A script has the ops of ATen. Where these take other arguments than the Python function that the rules know, or have
another name, `translated` says which call of that function it is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

if TYPE_CHECKING:
    from convblocks.analysis.trace.recorder import Recorder

Call = tuple[str, tuple[Any, ...]]


def _convolution(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, *more: Any
) -> Call:
    transposed, output_padding, groups = more[:3]
    dims = len(weight.shape) - 2
    if transposed:
        return f"conv_transpose{dims}d", (x, weight, bias, stride, padding, output_padding, groups, dilation)
    return f"conv{dims}d", (x, weight, bias, stride, padding, dilation, groups)


def _batch_norm(x: Any, weight: Any, bias: Any, mean: Any, variance: Any, training: Any, *more: Any) -> Call:
    return "batch_norm", (x, mean, variance, weight, bias, training, *more[:2])


def _instance_norm(x: Any, weight: Any, bias: Any, mean: Any, variance: Any, *more: Any) -> Call:
    return "instance_norm", (x, mean, variance, weight, bias, *more[:3])


def _slice(x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Call:
    return "__getitem__", (x, (*[slice(None)] * (dim % x.ndim), slice(start, end, step)))


def _select(x: Any, dim: int, index: int) -> Call:
    return "__getitem__", (x, (*[slice(None)] * (dim % x.ndim), index))


def _pad(mode: str) -> Callable[..., Call]:
    return lambda x, pad, value=0: ("pad", (x, tuple(pad), mode, value))


def _upsample(mode: str) -> Callable[..., Call]:
    def rule(x: Any, size: Any, *more: Any) -> Call:
        corners = more[0] if more and isinstance(more[0], bool) else None
        factors = more[-1] if more and not isinstance(more[-1], bool) else None
        return "interpolate", (x, size, factors, mode, corners)

    return rule


TRANSLATIONS: dict[str, Callable[..., Call]] = {
    **dict.fromkeys(("_convolution", "convolution"), _convolution),
    "batch_norm": _batch_norm,
    "instance_norm": _instance_norm,
    "slice": _slice,
    "select": _select,
    "embedding": lambda weight, indices, *_: ("embedding", (indices, weight)),
    "index": lambda x, indices: ("__getitem__", (x, tuple(slice(None) if i is None else i for i in indices))),
    "feature_dropout": lambda x, p, _training: ("dropout2d", (x, p)),
    "constant_pad_nd": _pad("constant"),
    **{f"{name}_pad{d}d": _pad(mode) for d in (1, 2, 3) for name, mode in
       (("reflection", "reflect"), ("replication", "replicate"))},
    **{f"upsample_{mode}{d}d": _upsample(words) for mode, d, words in
       (("nearest", 1, "nearest"), ("nearest", 2, "nearest"), ("nearest", 3, "nearest"), ("linear", 1, "linear"),
        ("bilinear", 2, "bilinear"), ("bicubic", 2, "bicubic"), ("trilinear", 3, "trilinear"))},
}  # fmt: skip


def translated(name: str, args: tuple[Any, ...]) -> Call:
    """The name and arguments of an ATen op as those of the Python function that the rules know."""
    return TRANSLATIONS[name](*args) if name in TRANSLATIONS else (name, args)


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

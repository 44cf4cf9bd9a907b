"""The state in which a module is watched: eval mode, nothing compiled, no gradients; afterwards all is as it was."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils import checkpoint

from convblocks.analysis.trace.functions import functions_recorded
from convblocks.analysis.trace.recorder import Recorder
from convblocks.analysis.trace.restore import restored
from convblocks.analysis.trace.script import scripts_recorded


@contextmanager
def observing(recorder: Recorder) -> Iterator[None]:
    """Eval mode, no gradients, while `recorder` gets ops, module calls and checkpointed segments.

    Compiled modules run as they were written, and all are afterwards as they were.
    """
    with (
        _evaluating([m for _, m in recorder.named]),
        restored([m for _, m in recorder.named]),
        _calls(recorder),
        _uncompiled(),
        _checkpoints(recorder),
        functions_recorded(recorder),
        scripts_recorded(recorder),
        torch.random.fork_rng(devices=[]),
        torch.inference_mode(),
        torch.enable_grad(),  # makes no graph in there, but shows where the module's own no_grad ends
        recorder,
    ):
        yield


@contextmanager
def _evaluating(modules: list[nn.Module]) -> Iterator[None]:
    """In eval mode, each by itself, since some may be so already."""
    training = [m for m in modules if m.training]
    for m in training:
        _set_training(m, False)
    try:
        yield
    finally:
        for m in training:
            _set_training(m, True)


def _set_training(module: nn.Module, training: bool) -> None:
    if "training" in vars(module):
        vars(module)["training"] = training  # nn.Module's own setattr looks for parameters first
    else:
        module.training = training  # TorchScript's


@contextmanager
def _calls(recorder: Recorder) -> Iterator[None]:
    """Tell the recorder of each module's calls, by the place that nn.Module has for a compiled forward.

    Cheaper than global hooks or another nn.Module.__call__, and other threads are none the wiser.
    """

    def call(m: nn.Module, path: str, *args: Any, **kwargs: Any) -> Any:
        before = recorder.enter(m, path)
        if recorder.function and not recorder.segment:
            with _segment(recorder):
                result = m._call_impl(*args, **kwargs)
        else:
            result = m._call_impl(*args, **kwargs)
        recorder.leave(before)
        return result

    compiled = [(vars(m), vars(m).get("_compiled_call_impl")) for _, m in recorder.named]
    for path, m in recorder.named:
        vars(m)["_compiled_call_impl"] = partial(call, m, path)
    try:
        yield
    finally:
        for attributes, own in compiled:
            attributes["_compiled_call_impl"] = own
            if own is None:
                del attributes["_compiled_call_impl"]


def _uncompiled() -> AbstractContextManager[object]:
    """torch.compile's modules run in Python; where it was never called, its import, which is slow, is spared."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance


@contextmanager
def _segment(recorder: Recorder) -> Iterator[None]:
    """Ops that are run again when backward comes to them; one segment inside another is part of it."""
    before = recorder.segment
    if not before:
        recorder.segments += 1
        recorder.segment = recorder.segments
    try:
        yield
    finally:
        recorder.segment = before


@contextmanager
def _checkpoints(recorder: Recorder) -> Iterator[None]:
    """Number the segments that torch.utils.checkpoint runs; its two ways pass through these two names."""

    def segment(*_args: Any, **_kwargs: Any) -> Iterator[None]:
        with _segment(recorder):
            yield

    class Reentrant:
        @staticmethod
        def apply(function: Callable[..., Any], _preserve: bool, *args: Any) -> Any:
            with _segment(recorder):
                return function(*args)

    ours = {"_checkpoint_without_reentrant_generator": segment, "CheckpointFunction": Reentrant}
    theirs = {name: getattr(checkpoint, name) for name in ours if hasattr(checkpoint, name)}
    try:
        for name in theirs:
            setattr(checkpoint, name, ours[name])
        yield
    finally:
        for name, original in theirs.items():
            setattr(checkpoint, name, original)

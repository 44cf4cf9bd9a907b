"""The state in which a module is watched: eval mode, nothing compiled, no gradients; afterwards all is as it was."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils import checkpoint

from convblocks.analysis.trace.recorder import Recorder
from convblocks.analysis.trace.restore import restored


@contextmanager
def observing(recorder: Recorder) -> Iterator[None]:
    """Eval mode, no gradients, and `recorder` told of ops, module calls and checkpointed segments.

    Compiled modules run as they were written, and all are afterwards as they were.
    """
    named = recorder.named
    names = {id(m): name for name, m in named}
    training = [m for _, m in named if m.training]
    original = nn.Module.__call__

    def call(m: nn.Module, *args: Any, **kwargs: Any) -> Any:
        before = recorder.enter(m, names.get(id(m), recorder.path))
        result = original(m, *args, **kwargs)
        recorder.leave(m, before, args, result)
        return result

    for m in training:
        m.__dict__["training"] = False  # nn.Module's own setattr looks for parameters first
    nn.Module.__call__ = call  # type: ignore[method-assign]  # as torch.fx does: cheaper than global hooks
    try:
        with (
            restored([m for _, m in named]),
            _uncompiled(),
            _checkpoints(recorder),
            torch.random.fork_rng(devices=[]),
            torch.inference_mode(),
            torch.enable_grad(),  # makes no graph in there, but shows where the module's own no_grad ends
            recorder,
        ):
            yield
    finally:
        nn.Module.__call__ = original  # type: ignore[method-assign]
        for m in training:
            m.__dict__["training"] = True


def _uncompiled() -> AbstractContextManager[object]:
    """torch.compile's modules run in Python; where it was never called, its import, which is slow, is spared."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance


@contextmanager
def _checkpoints(recorder: Recorder) -> Iterator[None]:
    """Number the segments that torch.utils.checkpoint runs; its two ways pass through these two names."""

    def segment(*_args: Any, **_kwargs: Any) -> Iterator[None]:
        before = recorder.segment
        if not before:  # one inside another is part of it
            recorder.segments += 1
            recorder.segment = recorder.segments
        yield
        recorder.segment = before

    class Reentrant:
        @staticmethod
        def apply(function: Callable[..., Any], _preserve: bool, *args: Any) -> Any:
            with contextmanager(segment)():
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

"""The check that a printed file gives the module's keys and bits."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from convblocks.analysis.trace.duplicate import copy_of
from convblocks.deploy.code.outputs import equal
from convblocks.errors import CodeError


def verify(text: str, module: nn.Module, input_size: Sequence[int]) -> None:
    """Runs the file and compares its module with ours: keys, shapes, and the output in eval mode to the bit.

    Args:
        text: the file.
        module: what the file shall make.
        input_size: (channels, *spatial) of an example.

    Raises:
        CodeError: the file does not run, or its module differs.
    """
    space: dict[str, Any] = {"__name__": "standalone"}
    try:
        exec(compile(text, "<standalone>", "exec"), space)  # noqa: S102 - written by us, of code that has run
        theirs = space["make"]()
        ours = copy_of(module).eval()
        expected = {name: t.shape for name, t in ours.state_dict().items()}
        actual = {name: t.shape for name, t in theirs.state_dict().items()}
        if differ := sorted(n for n in {*expected, *actual} if expected.get(n) != actual.get(n)):
            raise CodeError(f"the file's state dict would differ at {differ[0]}")
        theirs.to(next((t.dtype for t in ours.state_dict().values() if t.is_floating_point()), torch.float32))
        theirs.load_state_dict(ours.state_dict())
        x = torch.randn(2, *input_size, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            same = equal(ours(x.clone()), theirs.eval()(x.clone()))
    except CodeError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise CodeError(
            f"{type(module).__name__} cannot stand alone: {type(error).__name__}: {reason}"
        ) from error
    if not same:
        raise CodeError(f"the file's {type(module).__name__} would not give the same bits")

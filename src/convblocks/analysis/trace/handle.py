"""Helpers of all readers of a trace: they take a module or its trace, and compute once what several of them need."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch
from torch import nn

from convblocks.analysis.trace.graph import Trace
from convblocks.analysis.trace.trace import trace
from convblocks.errors import OptionError

Options = ParamSpec("Options")
Result = TypeVar("Result")


def as_trace(
    target: nn.Module | Trace,
    *input_sizes: Sequence[int],
    dtypes: Sequence[torch.dtype] = (),
    axes: str | None = None,
) -> Trace:
    """Returns a trace as it is, or the trace of a module for one example of these inputs.

    Args:
        target: a module, or a trace of one example, beside which no sizes, dtypes or axes are given.
        input_sizes: (channels, *spatial) of each input, without the batch axis.
        dtypes: of each input, float32 where not given.
        axes: names of the first input's axes where channels are not first; see `trace`.

    Raises:
        OptionError: for inputs given beside a trace, which has its own, and for a trace of several examples.
        TraceError: if the module's forward fails.
    """
    if not isinstance(target, Trace):
        return trace(target, *input_sizes, dtypes=dtypes, axes=axes)
    check_alone(input_sizes, dtypes, axes)
    if target.batch != 1:
        raise OptionError(
            "target", f"a trace of {target.batch} examples", "expected a trace of one: leave out its batch"
        )
    return target


def check_alone(
    input_sizes: Sequence[Sequence[int]], dtypes: Sequence[torch.dtype], axes: str | None
) -> None:
    """Checks that nothing is said of the inputs beside a trace. Raises OptionError."""
    for option, value in (("input_sizes", input_sizes), ("dtypes", dtypes), ("axes", axes)):
        if value:
            raise OptionError(
                option,
                value,
                "goes with a module; a trace has its inputs: leave this out, or give the module",
            )


def once_per_trace(
    read: Callable[Concatenate[Trace, Options], Result],
) -> Callable[Concatenate[Trace, Options], Result]:
    """Keeps what a function of a trace returns, on the trace, for each set of its keyword options.

    Whoever asks gets the same object, so it is not to be changed.
    """
    defaults = read.__kwdefaults__ or {}

    @wraps(read)
    def kept(trace: Trace, /, *none: Options.args, **options: Options.kwargs) -> Result:
        key: Any = read, *sorted({**defaults, **options}.items())
        if key not in trace.results:
            trace.results[key] = read(trace, *none, **options)
        result: Result = trace.results[key]
        return result

    return kept

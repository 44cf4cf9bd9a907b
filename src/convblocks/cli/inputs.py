"""The sizes and dtypes of a target's inputs: those given by --input, or the one that the target states."""

from collections.abc import Sequence

import torch

from convblocks.analysis.fields.receptive_field import input_layout
from convblocks.analysis.trace import Failed, Trace
from convblocks.cli.terminal import say
from convblocks.errors import OptionError
from convblocks.report import totals
from convblocks.targets import Target


def inputs_of(
    target: Target, given: Sequence[tuple[tuple[int, ...], str]]
) -> tuple[list[tuple[int, ...]], list[torch.dtype]]:
    """Returns the sizes and dtypes of a target's inputs.

    Args:
        target: whose own size is taken where none is given.
        given: sizes and dtypes as `sized` reads them.

    Raises:
        OptionError: if none is given and the target states none.
    """
    if not given and target.input_size is None:
        example = "x".join(map(str, (target.channels or 3, *[224] * (target.dims or 2))))
        raise OptionError(
            "input", ..., f"{target.name} does not say its input's size; give one, e.g. --input {example}"
        )
    sizes = [size for size, _ in given] or [target.input_size or ()]
    return sizes, [getattr(torch, dtype) for _, dtype in given]


def say_axes(traced: Trace | Failed) -> None:
    """Says what the axes of the first input are taken to be, where the module does not show which is which."""
    if not isinstance(traced, Failed):
        named = input_layout(traced)
        if sentence := totals.axes(named.names, named.assumed):
            say(sentence)

"""A target: a module with its name and input size; how it is built, and the hint for a name that is not there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, TypeVar
from warnings import catch_warnings, simplefilter

import torch
from torch import nn

from convblocks.text import listed

Made = TypeVar("Made")
Kind = Literal["file", "import", "timm", "torchvision", "zoo", "spec", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A module by the name its user gave it; in the mode (training or eval) that its maker left it in.

    Attributes:
        module: the module.
        name: the target as given.
        kind: the form of the target.
        channels: channels of its input, where stated.
        dims: spatial axes of its input, where stated.
        input_size: (channels, *spatial) of its input, where stated.
        run: the run folder of RUN:DESIGN.
        design: the design's name of RUN:DESIGN.
    """

    module: nn.Module
    name: str
    kind: Kind
    channels: int | None = None
    dims: int | None = None
    input_size: tuple[int, ...] | None = None
    run: Path | None = None
    design: str | None = None


def hint(name: str, names: Iterable[str]) -> str:
    """Returns ``did you mean 'resnet50'?``, or all names there are."""
    choices = list(names)
    close = get_close_matches(name, choices, n=1) or get_close_matches(name.lower(), choices, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"it has {listed(choices)}" if choices else "it has none"


def built(make: Callable[[], Made], on_meta: bool) -> Made:
    """Calls `make`; on the meta device, where weights take no memory, if `on_meta` and if it can be built there."""
    if on_meta:
        try:
            with torch.device("meta"), catch_warnings():
                # torch warns of weights that are not there
                simplefilter("ignore")
                return make()
        except Exception:  # noqa: S110 - a constructor that reads its own weights; it says so itself below
            pass
    return make()

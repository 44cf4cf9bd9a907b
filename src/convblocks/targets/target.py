"""A module and what is known of its input, how it is built, and the words for a name that is not there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar
from warnings import catch_warnings, simplefilter

import torch
from torch import nn

from convblocks.text import listed

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A module by the name its user gave it; in the mode (training or eval) that its maker left it in."""

    module: nn.Module
    name: str  # as given
    kind: str  # file | import | timm | torchvision | zoo | spec | run
    channels: int | None = None  # of its input, if known
    dims: int | None = None  # spatial axes of its input, if known
    input_size: tuple[int, ...] | None = None  # (channels, *spatial), if known
    run: Path | None = None  # RUN:DESIGN: the run folder
    design: str | None = None  # and the design's name


def hint(name: str, names: Iterable[str]) -> str:
    """``did you mean 'resnet50'?``, or all names there are."""
    known = list(names)
    close = get_close_matches(name, known, n=1) or get_close_matches(name.lower(), known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"it has {listed(known)}" if known else "it has none"


def built(make: Callable[[], Made], on_meta: bool) -> Made:
    """What `make` gives, without memory for its weights if `on_meta` and if it can be built so."""
    if on_meta:
        try:
            with torch.device("meta"), catch_warnings():
                simplefilter("ignore")  # torch's words on weights that are not there
                return make()
        except Exception:  # noqa: S110 - a constructor that reads its own weights; it says so itself below
            pass
    return make()

"""The parts of a module, its tensors, and the tensors in a nest of containers."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import nn

PLAIN = frozenset({int, float, bool, str, type(None)})
SEQUENCES = tuple, list


def modules(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """As ``module.named_modules()``, in its order and four times as fast."""
    visited: set[int] = set()
    waiting = [("", module)]
    while waiting:
        path, part = waiting.pop()
        if id(part) in visited:
            continue
        visited.add(id(part))
        yield path, part
        if children := part._modules:
            before = f"{path}." if path else ""
            waiting.extend([(before + name, m) for name, m in reversed(children.items()) if m is not None])


Named = Iterable[tuple[str, nn.Module]]


def parameters(module: nn.Module, named: Named = ()) -> dict[str, nn.Parameter]:
    """As ``dict(module.named_parameters())``; one that is shared has the first of its names.

    named: the module's modules, if they have been walked already.
    """
    named_once: dict[int, tuple[str, nn.Parameter]] = {}
    for path, part in named or modules(module):
        for name, p in part._parameters.items():
            if p is not None and id(p) not in named_once:
                named_once[id(p)] = f"{path}.{name}" if path else name, p
    return dict(named_once.values())


def buffers(module: nn.Module, named: Named = ()) -> Iterator[torch.Tensor]:
    """As ``module.buffers()``; one that is shared comes more than once."""
    for _, part in named or modules(module):
        yield from [b for b in part._buffers.values() if b is not None]


def tensors(given: Any) -> Iterator[torch.Tensor]:
    """All tensors in a nest of tuples, lists, dicts and dataclasses."""
    if isinstance(given, torch.Tensor):
        yield given
    elif isinstance(given, SEQUENCES):
        for part in given:
            if type(part) not in PLAIN:
                yield from tensors(part)
    elif isinstance(given, Mapping):
        for part in given.values():
            yield from tensors(part)
    elif is_dataclass(given) and not isinstance(given, type):
        yield from tensors([getattr(given, field.name, None) for field in fields(given)])

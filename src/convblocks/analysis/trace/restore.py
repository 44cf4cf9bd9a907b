"""A forward that is only watched leaves its modules as they were: what it writes on them is undone.

Networks keep caches of positions, counters and masks as attributes, put hooks on at their first forward and build
layers once they know a size. A forward on the meta device would leave meta tensors there, which the next real one
falls over. The memory of tensors is not looked at here: private.py keeps it from being written.
"""

import random
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import is_, itemgetter
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

PLAIN = frozenset({
    int, float, bool, str, bytes, type(None), complex, range, slice, torch.Size, torch.dtype, torch.device,
    BuiltinFunctionType, ModuleType, type,
})  # fmt: skip
TENSORS = frozenset({torch.Tensor, nn.Parameter})
CONTAINERS = (
    OrderedDict,
    dict,
    list,
    set,
    deque,
    bytearray,
)  # one that inherits has the methods of the first that fits
HOOKS = vars(nn.Module()).keys() - {
    "training",
    "_parameters",
    "_buffers",
    "_modules",
}  # empty in most modules
HOOKS_OF: Callable[[Any], tuple[Any, ...]] = itemgetter(*HOOKS)


@contextmanager
def restored(roots: Iterable[nn.Module]) -> Iterator[None]:
    """Attributes, containers, hooks, numbers of arrays and states of generators are afterwards what they were.

    Of each module and of all that is reached from it: through its attributes, containers, the variables of its hooks,
    and other objects but for those of Python's library.
    """
    state = State(roots)
    try:
        yield
    finally:
        state.restore()


class State:
    """What there is to restore of modules."""

    def __init__(self, roots: Iterable[nn.Module]) -> None:
        self._empty: list[Any] = []  # containers
        self._unhooked: list[
            tuple[Any, ...]
        ] = []  # of each module whose containers of hooks are all empty, these
        self._full: list[tuple[type, Any, Any]] = []  # kind, container, copy
        self._undo: list[Callable[[], object]] = []
        self._waiting: list[Any] = [*roots]
        self._met: set[int] = set()
        while self._waiting:
            value = self._waiting.pop()
            if type(value) not in PLAIN and id(value) not in self._met:
                self._met.add(id(value))
                self._add(value)

    def restore(self) -> None:
        for containers in filter(any, self._unhooked):
            self._empty += containers
        for container in filter(None, self._empty):
            container.clear()
        for kind, now, then in self._full:
            if not _same(now, then):
                kind.clear(now)  # type: ignore[attr-defined]
                (kind.extend if hasattr(kind, "extend") else kind.update)(now, then)  # type: ignore[attr-defined]
        for undo in self._undo:
            undo()

    def _add(self, value: Any) -> None:
        if isinstance(value, nn.Module) or issubclass(type(value), torch.Tensor):
            self._attributes(value)
        elif isinstance(value, CONTAINERS):
            self._contents(next(kind for kind in CONTAINERS if isinstance(value, kind)), value)
        elif isinstance(value, tuple | frozenset):
            self._waiting += value
        elif isinstance(value, FunctionType):
            self._waiting += map(_content, value.__closure__ or ())
        elif isinstance(value, MethodType):
            self._waiting.append(value.__self__)
        elif isinstance(value, partial):
            self._waiting += [value.func, *value.args, *value.keywords.values()]
        elif undo := _undo(value):
            self._undo.append(undo)
        elif _is_followed(value):
            self._contents(dict, vars(value))

    def _attributes(self, owner: nn.Module | torch.Tensor) -> None:
        """Notes the attributes of a module or tensor; many, so that what is usual is not looked into one by one."""
        attributes = vars(owner)
        if not attributes:
            self._empty.append(attributes)
            return
        if isinstance(owner, torch.jit.ScriptModule):
            self._undo += _attributes_of_script(owner)
        elif (
            isinstance(owner, nn.Module)
            and len(attributes) >= len(HOOKS)
            and not any(hooks := HOOKS_OF(attributes))
        ):
            self._unhooked.append(hooks)
            self._full.append((dict, attributes, attributes.copy()))
            self._wait([value for name, value in attributes.items() if name not in HOOKS])
            return
        self._contents(dict, attributes)

    def _contents(self, kind: type, container: Any) -> None:
        """Notes a container and what is in it."""
        if not container:
            self._empty.append(container)
            return
        self._full.append((kind, container, kind(container)))
        if kind is not bytearray:
            self._wait(container.values() if isinstance(container, dict) else container)

    def _wait(self, parts: Iterable[Any]) -> None:
        """Notes what there is to look into; the empty dicts and tensors without attributes of most modules, at once."""
        for part in parts:
            kind = type(part)
            if kind in PLAIN or (kind is tuple and PLAIN.issuperset(map(type, part))):
                continue
            inside = part if kind is dict else part.__dict__ if kind in TENSORS else True
            if inside:
                self._waiting.append(part)
            else:
                self._empty.append(inside)


def _same(now: Any, then: Any) -> bool:
    """Whether nothing was put in, taken out or replaced; elements may be tensors, which == does not compare."""
    if len(now) != len(then):
        return False
    if isinstance(now, dict):
        return all(map(is_, now.values(), then.values())) and all(map(is_, now, then))
    return now == then if isinstance(now, set | bytearray) else all(map(is_, now, then))


def _undo(value: Any) -> Callable[[], object] | None:
    """What sets back the numbers of an array, or a generator; None for anything else."""
    if isinstance(value, np.ndarray):
        return partial(_write, value, value.copy())
    if isinstance(value, torch.Generator):
        return partial(value.set_state, value.get_state())
    if isinstance(value, random.Random):
        return partial(value.setstate, value.getstate())
    if isinstance(value, np.random.Generator):
        return partial(setattr, value.bit_generator, "state", value.bit_generator.state)
    return None


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _write(array: np.ndarray, numbers: np.ndarray) -> None:
    if array.flags.writeable:
        array[...] = numbers


def _is_followed(value: Any) -> bool:
    """Whether its attributes are part of a module's state: not those of classes, threads, loggers and the like."""
    if isinstance(value, type | ModuleType) or not hasattr(value, "__dict__"):
        return False
    library = type(value).__module__.partition(".")[0] in sys.stdlib_module_names
    return isinstance(value, SimpleNamespace) or not library


def _attributes_of_script(module: torch.jit.ScriptModule) -> Iterator[Callable[[], object]]:
    """What sets back the attributes that TorchScript keeps to itself."""
    held = module._c
    for name in module._concrete_type.get_attributes():
        yield partial(held.setattr, name, held.getattr(name))

"""A forward that is only watched leaves its modules as they were: what it writes on them is undone.

Networks keep caches of positions, counters and masks as attributes, put hooks on at their first forward and build
layers once they know a size. A forward on the meta device would leave meta tensors there, which the next real one
falls over. What a tensor's memory holds is not looked at here: private.py keeps it from being written. Which memory
a tensor has is put back here, since `Tensor.set_` and `torch.utils.swap_tensors` pass through no function of torch's.
"""

import random
import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, repeat
from operator import attrgetter, is_
from types import (
    BuiltinFunctionType,
    CellType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

PLAIN = frozenset({
    int, float, bool, str, bytes, type(None), complex, range, slice, torch.Size, torch.dtype, torch.device,
    BuiltinFunctionType, ModuleType, type,
})  # fmt: skip
EMPTY: Any = object()
TENSORS = frozenset({torch.Tensor, nn.Parameter})
FACTS: tuple[Callable[[torch.Tensor], Any], ...] = (
    type, attrgetter("requires_grad"), torch.Tensor.is_inference, torch.Tensor.data_ptr, torch.Tensor.stride,
    *map(attrgetter, ("shape", "dtype", "device")),
)  # fmt: skip
# One that inherits has the methods of the first that fits.
CONTAINERS = (OrderedDict, dict, list, set, deque, bytearray)
STANDARD = [*vars(nn.Module())]  # attributes that every module has, in this order
HOOKS = slice(STANDARD.index("_buffers") + 1, STANDARD.index("_modules"))


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
    """The state of modules that is to be restored."""

    def __init__(self, roots: Iterable[nn.Module]) -> None:
        self._empty: list[Any] = []  # containers
        self._dicts: list[dict[Any, Any]] = []
        self._dicts_before: list[dict[Any, Any]] = []  # copies of them
        self._others: list[tuple[type, Any, Any]] = []  # kind, container, copy
        self._tensors: list[torch.Tensor] = []
        self._slots: dict[type, list[MemberDescriptorType]] = {}  # of each class
        self._undo: list[Callable[[], object]] = []
        self._waiting: list[Any] = [*roots]
        self._walk()
        self._waiting = []
        self._memory = _Memory([t for t in self._tensors if _has_memory(t)])

    def restore(self) -> None:
        """Sets back what a forward has changed."""
        for container in filter(None, self._empty):
            container.clear()
        changed = [*self._others]
        if not _all_same(self._dicts, self._dicts_before):
            changed += zip(repeat(dict), self._dicts, self._dicts_before)
        for kind, now, then in changed:
            if not _same(now, then):
                kind.clear(now)  # type: ignore[attr-defined]
                (kind.extend if hasattr(kind, "extend") else kind.update)(now, then)  # type: ignore[attr-defined]
        self._memory.restore()
        for undo in self._undo:
            undo()

    def _walk(self) -> None:
        """Notes all that can be reached; the many numbers, dicts and tensors first, in few calls of functions."""
        met = set[int]()
        for value in self._waiting:  # it grows meanwhile
            kind = type(value)
            if kind in PLAIN:
                continue
            if kind is tuple:
                self._waiting += value
                continue
            if id(value) in met:
                continue
            met.add(id(value))
            if kind is dict:
                self._dict(value, value.values())
            elif kind in TENSORS:
                self._tensors.append(value)
                self._dict(value.__dict__, value.__dict__.values())
            else:
                self._add(value)

    def _dict(self, container: dict[Any, Any], inside: Iterable[Any]) -> None:
        """Notes a dict, and of its values those to look into."""
        if container:
            self._dicts.append(container)
            self._dicts_before.append(container.copy())
            self._waiting += inside
        else:
            self._empty.append(container)

    def _add(self, value: Any) -> None:
        self._add_slots(value)
        if isinstance(value, nn.Module):
            self._module(value)
        elif issubclass(type(value), torch.Tensor):
            self._tensors.append(value)
            self._dict(vars(value), vars(value).values())
        elif isinstance(value, CONTAINERS):
            self._container(next(kind for kind in CONTAINERS if isinstance(value, kind)), value)
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
            self._dict(vars(value), vars(value).values())

    def _add_slots(self, value: Any) -> None:
        if type(value) not in self._slots:
            self._slots[type(value)] = _slots(type(value))
        for slot in self._slots[type(value)]:
            content = _held(slot, value)
            self._undo.append(partial(_refill, slot, value, content))
            self._waiting.append(content)

    def _module(self, module: nn.Module) -> None:
        """Notes the attributes of a module; the empty dicts for hooks, which most are, all at once."""
        attributes = vars(module)
        if isinstance(module, torch.jit.ScriptModule):
            self._undo += _attributes_of_script(module)
        values = [*attributes.values()]
        if [*attributes][: len(STANDARD)] == STANDARD and not any(values[HOOKS]):
            self._empty += values[HOOKS]
            del values[HOOKS]
        self._dict(attributes, values)

    def _container(self, kind: type, container: Any) -> None:
        """Notes a container and what is in it."""
        if not container:
            self._empty.append(container)
            return
        self._others.append((kind, container, kind(container)))
        if kind is not bytearray:
            self._waiting += container.values() if isinstance(container, dict) else container


def _has_memory(tensor: torch.Tensor) -> bool:
    """Returns whether it is one of numbers that lie in a memory by their strides."""
    if tensor.layout is not torch.strided:
        return False
    kind = type(tensor)
    return kind in TENSORS or (
        kind.__torch_dispatch__ == torch.Tensor.__torch_dispatch__ and not is_lazy(tensor)
    )


class _Memory:
    """The memory that each tensor has, how it lies there, and what else a swap takes away."""

    def __init__(self, tensors: list[torch.Tensor]) -> None:
        self._tensors = tensors
        self._attributes = [vars(t) for t in tensors]
        self._twins = [t.data for t in tensors]  # of the same memory
        self._gradients = [t.grad if t.is_leaf else None for t in tensors]
        self._before = self._facts()

    def _facts(self) -> list[list[Any]]:
        """Columns, of one fact each."""
        return [[*map(fact, self._tensors)] for fact in FACTS]

    def restore(self) -> None:
        """Sets back what a forward has changed."""
        for tensor, attributes in zip(self._tensors, self._attributes, strict=True):
            if vars(tensor) is not attributes:
                tensor.__dict__ = attributes
        if (now := self._facts()) != self._before:
            rows = zip(zip(*now, strict=True), zip(*self._before, strict=True), strict=True)
            for i, (new, old) in enumerate(rows):
                if new != old:
                    self._put_back(i, *old[:3], is_swapped=new[2] != old[2])

    def _put_back(self, number: int, kind: type, learns: bool, _inference: bool, *, is_swapped: bool) -> None:
        tensor, twin = self._tensors[number], self._twins[number]
        if type(tensor) is not kind:
            tensor.__class__ = kind
        if is_swapped:  # by one of another kind within, which `data` would not change
            torch._C._swap_tensor_impl(tensor, twin)
        else:
            tensor.requires_grad_(False)
            tensor.data = twin
        if tensor.is_leaf:
            tensor.requires_grad_(learns)
            tensor.grad = self._gradients[number]


def _all_same(now: list[dict[Any, Any]], then: list[dict[Any, Any]]) -> bool:
    """As `_same`, of many dicts at once."""
    values = [chain.from_iterable(map(dict.values, dicts)) for dicts in (now, then)]
    keys = [chain.from_iterable(dicts) for dicts in (now, then)]
    return [*map(len, now)] == [*map(len, then)] and all(map(is_, *values)) and all(map(is_, *keys))


def _same(now: Any, then: Any) -> bool:
    """Returns whether nothing was put in, taken out or replaced; elements may be tensors, which == does not compare."""
    if len(now) != len(then):
        return False
    if isinstance(now, dict):
        return all(map(is_, now.values(), then.values())) and all(map(is_, now, then))
    return now == then if isinstance(now, set | bytearray) else all(map(is_, now, then))


def _undo(value: Any) -> Callable[[], object] | None:
    """Returns what sets back the numbers of an array, or a generator; None for anything else."""
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


def _slots(kind: type) -> list[MemberDescriptorType]:
    """The attributes that instances keep in ``__slots__``, those of classes above included."""
    declaring = [c for c in kind.__mro__ if "__slots__" in vars(c) and not _is_of_library(c)]
    return [slot for c in declaring for slot in vars(c).values() if isinstance(slot, MemberDescriptorType)]


def _held(slot: MemberDescriptorType, owner: Any) -> Any:
    """Returns what an object has in a slot, EMPTY if nothing."""
    try:
        return slot.__get__(owner)
    except AttributeError:
        return EMPTY


def _refill(slot: MemberDescriptorType, owner: Any, content: Any) -> None:
    if _held(slot, owner) is content:
        return
    if content is EMPTY:
        slot.__delete__(owner)
    else:
        slot.__set__(owner, content)


def _write(array: np.ndarray, numbers: np.ndarray) -> None:
    if array.flags.writeable:
        array[...] = numbers


def _is_followed(value: Any) -> bool:
    """Returns whether its attributes are part of a module's state: not those of classes, threads, loggers and so on."""
    if isinstance(value, type | ModuleType) or not hasattr(value, "__dict__"):
        return False
    return isinstance(value, SimpleNamespace) or not _is_of_library(type(value))


def _is_of_library(kind: type) -> bool:
    """Returns whether a class is one of Python's own."""
    return kind.__module__.partition(".")[0] in sys.stdlib_module_names


def _attributes_of_script(module: torch.jit.ScriptModule) -> Iterator[Callable[[], object]]:
    """Returns what sets back the attributes that TorchScript keeps to itself."""
    held = module._c
    for name in module._concrete_type.get_attributes():
        yield partial(held.setattr, name, held.getattr(name))

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
from operator import is_
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
DICTS = frozenset({dict, OrderedDict})
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
    """What there is to restore of modules."""

    def __init__(self, roots: Iterable[nn.Module]) -> None:
        self._empty: list[Any] = []  # containers
        self._unhooked: list[list[Any]] = []  # of each module without hooks, what would hold them
        self._full: list[tuple[type, Any, Any]] = []  # kind, container, copy
        self._tensors: list[_Tensor] = []
        self._slots: dict[type, list[MemberDescriptorType]] = {}  # of each class
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
            self._empty += filter(None, containers)
        for container in filter(None, self._empty):
            container.clear()
        for kind, now, then in self._full:
            if not _same(now, then):
                kind.clear(now)  # type: ignore[attr-defined]
                (kind.extend if hasattr(kind, "extend") else kind.update)(now, then)  # type: ignore[attr-defined]
        for tensor in self._tensors:
            tensor.restore()
        for undo in self._undo:
            undo()

    def _add(self, value: Any) -> None:
        self._add_slots(value)
        if type(value) in DICTS:
            self._contents(type(value), value)
        elif isinstance(value, nn.Module) or issubclass(type(value), torch.Tensor):
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

    def _add_slots(self, value: Any) -> None:
        if type(value) not in self._slots:
            self._slots[type(value)] = _slots(type(value))
        for slot in self._slots[type(value)]:
            content = _held(slot, value)
            self._undo.append(partial(_refill, slot, value, content))
            self._waiting.append(content)

    def _attributes(self, owner: nn.Module | torch.Tensor) -> None:
        """Notes the attributes of a module or tensor; many, so that what is usual is not looked into one by one."""
        attributes = vars(owner)
        if isinstance(owner, torch.Tensor):
            self._tensor(owner)
        if isinstance(owner, torch.jit.ScriptModule):
            self._undo += _attributes_of_script(owner)
        values = [*attributes.values()]
        if [*attributes][: len(STANDARD)] == STANDARD and not any(hooks := values[HOOKS]):
            self._unhooked.append(hooks)
            self._full.append((dict, attributes, attributes.copy()))
            del values[HOOKS]
            self._wait(values)
        else:
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
                continue
            self._empty.append(inside)
            if kind is not dict:
                self._tensor(part)

    def _tensor(self, tensor: torch.Tensor) -> None:
        ordinary = type(tensor).__torch_dispatch__ == torch.Tensor.__torch_dispatch__
        if ordinary and tensor.layout is torch.strided and not is_lazy(tensor):
            self._tensors.append(_Tensor(tensor))


class _Tensor:
    """Which memory a tensor has, how it lies there, and what else a swap takes away."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor
        self._attributes = vars(tensor)
        self._twin = tensor.data  # of the same memory
        self._gradient = tensor.grad if tensor.is_leaf else None
        self._before = self._facts()

    def _facts(self) -> tuple[Any, ...]:
        t = self._tensor
        return (
            t.data_ptr(),
            t.shape,
            t.stride(),
            t.dtype,
            t.device,
            t.requires_grad,
            t.is_inference(),
            type(t),
        )

    def restore(self) -> None:
        tensor = self._tensor
        if vars(tensor) is not self._attributes:
            tensor.__dict__ = self._attributes
        if (now := self._facts()) == self._before:
            return
        *_, learns, inference, kind = self._before
        if type(tensor) is not kind:
            tensor.__class__ = kind
        if inference == now[-2]:
            tensor.requires_grad_(False)
            tensor.data = self._twin
        else:  # of another kind within, which `data` would not change
            torch._C._swap_tensor_impl(tensor, self._twin)
        if tensor.is_leaf:
            tensor.requires_grad_(learns)
            tensor.grad = self._gradient


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


def _slots(kind: type) -> list[MemberDescriptorType]:
    """The attributes that instances keep in ``__slots__``, those of classes above included."""
    declaring = [c for c in kind.__mro__ if "__slots__" in vars(c) and not _is_of_library(c)]
    return [slot for c in declaring for slot in vars(c).values() if isinstance(slot, MemberDescriptorType)]


def _held(slot: MemberDescriptorType, owner: Any) -> Any:
    """What an object has in a slot, EMPTY if nothing."""
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
    """Whether its attributes are part of a module's state: not those of classes, threads, loggers and the like."""
    if isinstance(value, type | ModuleType) or not hasattr(value, "__dict__"):
        return False
    return isinstance(value, SimpleNamespace) or not _is_of_library(type(value))


def _is_of_library(kind: type) -> bool:
    """Whether a class is one of Python's own."""
    return kind.__module__.partition(".")[0] in sys.stdlib_module_names


def _attributes_of_script(module: torch.jit.ScriptModule) -> Iterator[Callable[[], object]]:
    """What sets back the attributes that TorchScript keeps to itself."""
    held = module._c
    for name in module._concrete_type.get_attributes():
        yield partial(held.setattr, name, held.getattr(name))

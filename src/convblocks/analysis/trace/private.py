"""Private copies of a module's tensors: what an op would write on them while a module is traced, it writes on a copy.

An op on real tensors alone runs for real, since a forward may need its values. The first op that may write on memory
that was there before the forward gets a copy of it, which stands for that memory from then on; views and tied weights
share one copy. Ops that only read, which are nearly all, copy nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from convblocks.analysis.ops.op import Op, find
from convblocks.analysis.trace.values import conversion
from convblocks.analysis.trace.walk import PLAIN, tensors


def only_reads(op: Op, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Returns whether a call of an op, under one of its names, is known not to write on its arguments."""
    if not op.names or op.in_place(name, kwargs) or kwargs.get("out") is not None:
        return False
    return op.writes is None or not op.writes(args, kwargs)


class PrivateCopies:
    """Copies of the memory that was there before a forward; what the forward itself makes needs none."""

    def __init__(self) -> None:
        self._made: set[int] = set()  # storages of the forward's own
        self._storages: dict[int, torch.UntypedStorage] = {}  # copies, by the storage copied
        self._twins: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # tensor and copy, by the tensor's id

    def made(self, results: Iterable[torch.Tensor], given: Iterable[torch.Tensor] = ()) -> None:
        """Notes tensors that the forward has made, other than as views of those given."""
        there = {key for t in given if (key := _storage(t)) not in self._made}
        self._made.update([key for t in results if (key := _storage(t)) not in there])

    def __bool__(self) -> bool:
        """Returns whether there are any copies."""
        return bool(self._twins or self._storages)

    def of(self, given: Any, *, reading: bool) -> Any:
        """The same arguments, with copies in place of tensors that an op may write on or has written on."""
        if type(given) in PLAIN:
            return given
        if isinstance(given, torch.Tensor):
            return self._of_tensor(given, reading=reading)
        if isinstance(given, dict):
            return {name: self.of(value, reading=reading) for name, value in given.items()}
        if type(given) in (tuple, list):
            return type(given)(self.of(value, reading=reading) for value in given)
        return given

    def _of_tensor(self, tensor: torch.Tensor, *, reading: bool) -> torch.Tensor:
        if id(tensor) in self._twins:
            return self._twins[id(tensor)][1]
        if tensor.is_meta or is_lazy(tensor):
            return tensor
        key = _storage(tensor)
        if key in self._made or (reading and key not in self._storages):
            return tensor
        twin = self._copied(tensor, key)
        if twin.is_floating_point():
            twin.requires_grad_(tensor.requires_grad)
        self._twins[id(tensor)] = tensor, twin
        return twin

    def _copied(self, tensor: torch.Tensor, key: int) -> torch.Tensor:
        with torch.no_grad():
            if not key:  # sparse, or of a kind that has no storage
                return tensor.detach().clone()
            if key not in self._storages:
                self._storages[key] = storage = tensor.untyped_storage().clone()
                self._made.add(storage._cdata)
            twin = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
            place = tensor.storage_offset(), tensor.size(), tensor.stride()
            return twin.set_(self._storages[key], *place)


def _storage(tensor: torch.Tensor) -> int:
    """Returns what identifies the memory of a tensor; 0 where it has none of its own."""
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError, ValueError):
        return 0


class WithoutWrites(TorchFunctionMode):
    """Ops run as they do, but none writes on memory that was there before; meta tensors stay on meta."""

    def __init__(self) -> None:
        super().__init__()
        self.private = PrivateCopies()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        op = find(name)
        if any(t.is_meta for t in tensors((args, kwargs))):
            if op.converts and args[0].is_meta:
                return conversion(args, kwargs, torch.device("cpu"), by_type="dtype" in op.parameters)
            return func(*args, **kwargs)
        reading = only_reads(op, name, args, kwargs)
        args, kwargs = (self.private.of(given, reading=reading) for given in (args, kwargs))
        result = func(*args, **kwargs)
        self.private.made(tensors(result), tensors((args, kwargs)))
        return result

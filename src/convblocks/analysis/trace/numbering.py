"""Numbers for the tensors of a trace: each is a Value, and views of one memory share its storage."""

from typing import Any

import torch

from convblocks.analysis.trace.graph import Value
from convblocks.analysis.trace.walk import PLAIN, SEQUENCES, tensors


class Numbering:
    """Values of the tensors that a trace has met."""

    def __init__(self) -> None:
        self.values: dict[int, Value] = {}  # by id of the tensor
        self.alive: list[torch.Tensor] = []  # so that no id is used twice

    def write(self, tensor: torch.Tensor, storage: int = -1) -> Value:
        """A new Value for a tensor just made, or changed in place; of a new storage, unless `storage` is given."""
        number = len(self.alive)
        self.alive.append(tensor)
        home = number if storage < 0 else storage
        value = Value(number, tuple(tensor.shape), tensor.dtype, home, tensor.stride())
        self.values[id(tensor)] = value
        return value

    def read(self, tensor: torch.Tensor) -> Value:
        """The Value of a tensor; parameters and constants get theirs when first read."""
        return self.values.get(id(tensor)) or self.write(tensor)

    def written(self, result: Any, given: Any) -> tuple[Value, ...]:
        """The Values of what an op gave, which may be a view of what it was given or even that itself."""
        homes = {t.untyped_storage()._cdata: self.read(t).storage for t in tensors(given)}
        return tuple([self.write(t, homes.get(t.untyped_storage()._cdata, -1)) for t in tensors(result)])

    def shown(self, given: Any, inputs: list[Value]) -> Any:
        """An argument with its tensors replaced by Values, which are added to `inputs`."""
        if type(given) in PLAIN:
            return given
        value = self.values.get(id(given))
        if value is None:
            if isinstance(given, torch.Tensor):
                value = self.write(given)
            elif isinstance(given, SEQUENCES):
                if PLAIN.issuperset(map(type, given)):  # as a stride is
                    return tuple(given)
                return tuple([self.shown(part, inputs) for part in given])
            else:
                return given
        inputs.append(value)
        return value

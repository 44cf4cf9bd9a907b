"""One forward pass of any module on the meta device, written down as a list of ops."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from convblocks.errors import TraceError

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the trace, by number; `shape` includes the batch axis."""

    number: int
    shape: Shape


@dataclass(frozen=True, slots=True)
class Op:
    """One call of a torch function, its tensors replaced by Values."""

    name: str  # of the function: conv2d, batch_norm, add, …
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """What a module does to an input, in order of execution."""

    input: Value
    output: Value
    ops: tuple[Op, ...]


# Questions about a tensor, not work on it.
QUERIES = frozenset({"__get__", "size", "dim", "numel", "is_floating_point", "stride", "is_contiguous"})


class _Recorder(TorchFunctionMode):
    def __init__(self, x: torch.Tensor):
        super().__init__()
        self.ops: list[Op] = []
        self.alive: list[torch.Tensor] = []  # so that no id is used twice
        self.values: dict[int, Value] = {}
        self.input = self.write(x)

    def write(self, tensor: torch.Tensor) -> Value:
        """A new Value for a tensor just made, or changed in place."""
        value = Value(len(self.alive), tuple(tensor.shape))
        self.alive.append(tensor)
        self.values[id(tensor)] = value
        return value

    def read(self, tensor: torch.Tensor) -> Value:
        """The Value of a tensor; parameters and constants get theirs when first read."""
        return self.values.get(id(tensor)) or self.write(tensor)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func.__name__ in QUERIES:
            return func(*args, **kwargs)
        tensors = [t for t in pytree.tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        seen = {id(t): self.read(t) for t in tensors}
        result = func(*args, **kwargs)
        outputs = [t for t in pytree.tree_leaves(result) if isinstance(t, torch.Tensor)]
        if outputs:
            args, kwargs = pytree.tree_map(
                lambda t: seen[id(t)] if isinstance(t, torch.Tensor) else t, (args, kwargs)
            )
            written = tuple(self.write(t) for t in outputs)
            self.ops.append(Op(func.__name__, tuple(args), kwargs, tuple(seen.values()), written))
        return result


def trace(module: nn.Module, input_size: Shape) -> Trace:
    """Observe one forward pass in eval mode; `module` must lie on the meta device.

    input_size: (channels, *spatial), without the batch axis; the batch is 1.
    Raises TraceError if the forward fails, e.g. because the input is too small.
    """
    was_training = module.training
    x = torch.empty(1, *input_size, device="meta")
    try:
        module.eval()
        with torch.inference_mode(), _Recorder(x) as recorder:
            output = module(x)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        size = "×".join(map(str, input_size))
        raise TraceError(f"{type(module).__name__} cannot take an input of {size}: {error}") from error
    finally:
        module.train(was_training)
    if not isinstance(output, torch.Tensor):
        raise TraceError(f"{type(module).__name__} gives a {type(output).__name__}; expected one tensor")
    return Trace(recorder.input, recorder.read(output), tuple(recorder.ops))

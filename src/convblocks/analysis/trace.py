"""One forward pass of any module without data, written down as a list of ops.

The recorder stands between the module and torch. Ops whose output shape is a formula (shapes.py) are not
run at all; the rest run on the meta device, which computes shapes alone. The module itself is not changed:
its real weights are shown to an op as meta tensors of the same shape.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module
from torch.overrides import TorchFunctionMode

from convblocks.analysis.shapes import SHAPES, Shape
from convblocks.errors import TraceError

META = torch.device("meta")


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the trace, by number; `shape` includes the batch axis."""

    number: int
    shape: Shape
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Op:
    """One call of a torch function, its tensors replaced by Values."""

    name: str  # of the function: conv2d, batch_norm, add, …
    path: str  # of the module it was called in: layer1.0.conv1
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """What a module does to its inputs, in order of execution."""

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    ops: tuple[Op, ...]

    @property
    def input(self) -> Value:
        """The first input."""
        return self.inputs[0]

    @property
    def output(self) -> Value:
        """The first output."""
        return self.outputs[0]


# Questions about a tensor, not work on it.
QUERIES = frozenset(
    {
        "size",
        "dim",
        "ndimension",
        "numel",
        "stride",
        "storage_offset",
        "nelement",
        "element_size",
        "get_device",
    }
    | {
        "is_floating_point",
        "is_complex",
        "is_contiguous",
        "data_ptr",
        "is_inference",
        "__len__",
        "__format__",
    }
    | {"__repr__", "requires_grad_", "is_same_size", "untyped_storage", "is_set_to"}
)


class Recorder(TorchFunctionMode):
    """Writes down what passes by."""

    def __init__(self) -> None:
        super().__init__()
        self.ops: list[Op] = []
        self.paths: list[str] = [""]
        self.values: dict[int, Value] = {}  # by id of the tensor
        self.alive: list[torch.Tensor] = []  # so that no id is used twice
        self.on_meta: dict[int, torch.Tensor] = {}  # meta twins of real weights and constants

    def write(self, tensor: torch.Tensor) -> Value:
        """A new Value for a tensor just made, or changed in place."""
        value = Value(len(self.alive), tuple(tensor.shape), tensor.dtype)
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
        name = getattr(func, "__name__", str(func))
        if name in QUERIES:
            return func(*args, **kwargs)
        seen: list[Value] = []
        shown = tuple(self._show(a, seen) for a in args), {k: self._show(v, seen) for k, v in kwargs.items()}
        result = self._shaped(func, args, kwargs)
        if result is None:
            result = self._run(func, args, kwargs)
        written = tuple(self.write(t) for t in _tensors(result))
        if written and (seen or name not in FACTORIES):
            self.ops.append(Op(name, self.paths[-1], *shown, tuple(seen), written))
        return result

    def _shaped(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """The output by formula; None where there is none for this call."""
        rule = SHAPES.get(func)
        if rule is None or not isinstance(args[0], torch.Tensor) or not args[0].is_meta:
            return None
        shape = rule(*args, **kwargs)
        if shape is None:
            return None
        return args[0] if kwargs.get("inplace") else torch.empty(shape, dtype=args[0].dtype, device=META)

    def _run(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """On meta if any tensor is there already; constants among themselves stay real, since values may matter."""
        if any(t.is_meta for t in _tensors((args, kwargs))):
            args, kwargs = self._to_meta(args), self._to_meta(kwargs)
        return func(*args, **kwargs)

    def _to_meta(self, given: Any) -> Any:
        if isinstance(given, torch.Tensor):
            if given.is_meta or (given.ndim == 0 and not isinstance(given, nn.Parameter)):
                return given
            if id(given) not in self.on_meta:
                self.on_meta[id(given)] = twin = given.detach().to(META)
                self.values[id(twin)] = self.read(given)
                self.alive.append(twin)
            return self.on_meta[id(given)]
        if isinstance(given, dict):
            return {name: self._to_meta(value) for name, value in given.items()}
        if type(given) in (tuple, list):
            return type(given)(self._to_meta(value) for value in given)
        return given

    def _show(self, given: Any, seen: list[Value]) -> Any:
        """An argument with its tensors replaced by Values, which are added to `seen`."""
        if isinstance(given, torch.Tensor):
            value = self.read(given)
            seen.append(value)
            return value
        if isinstance(given, tuple | list):
            return tuple(self._show(part, seen) for part in given)
        return given


FACTORIES = frozenset(
    {"zeros", "ones", "empty", "full", "arange", "linspace", "rand", "randn", "tensor", "eye"}
)


def trace(module: nn.Module, *input_sizes: Sequence[int], dtypes: Sequence[torch.dtype] = ()) -> Trace:
    """Observe one forward pass in eval mode, without data and without touching the module's weights.

    input_sizes: (channels, *spatial) of each input, without the batch axis; the batch is 1.
    dtypes: of each input, float32 where not given.
    Raises TraceError if the forward fails, e.g. because the input is too small.
    """
    kinds = [*dtypes, *[torch.float32] * (len(input_sizes) - len(dtypes))]
    inputs = [torch.empty(1, *size, dtype=d, device=META) for size, d in zip(input_sizes, kinds, strict=True)]
    was_training = {m: m.training for m in module.modules()}
    recorder = Recorder()
    given = tuple(recorder.write(x) for x in inputs)
    try:
        module.eval()
        with torch.inference_mode(), _paths(module, recorder), recorder:
            result = module(*inputs)
    except Exception as error:  # a forward may raise anything
        sizes = ", ".join("×".join(map(str, size)) for size in input_sizes)
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TraceError(f"{type(module).__name__} cannot take an input of {sizes}: {reason}") from error
    finally:
        for m, training in was_training.items():
            m.training = training
    outputs = tuple(recorder.read(t) for t in _tensors(result))
    if not outputs:
        raise TraceError(f"{type(module).__name__} gives a {type(result).__name__}; expected a tensor")
    return Trace(given, outputs, tuple(recorder.ops))


@contextmanager
def _paths(module: nn.Module, recorder: Recorder) -> Iterator[None]:
    """Keep `recorder.paths` at the module that is running."""
    names = {id(m): name for name, m in module.named_modules()}

    def enter(m: nn.Module, _inputs: Any) -> None:
        recorder.paths.append(names.get(id(m), recorder.paths[-1]))

    def leave(_m: nn.Module, _inputs: Any, _output: Any) -> None:
        recorder.paths.pop()

    hooks = [
        torch_module.register_module_forward_pre_hook(enter),
        torch_module.register_module_forward_hook(leave),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _tensors(given: Any) -> Iterator[torch.Tensor]:
    """All tensors in a nest of tuples, lists, dicts and dataclass-like outputs."""
    if isinstance(given, torch.Tensor):
        yield given
    elif isinstance(given, Mapping):
        for part in given.values():
            yield from _tensors(part)
    elif isinstance(given, tuple | list):
        for part in given:
            yield from _tensors(part)

"""What stands between a module and torch while it is traced: sees each op and each module call pass by."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from convblocks.analysis.trace.dropout import dropout_in_training
from convblocks.analysis.trace.graph import Call, Op, Value, writes
from convblocks.analysis.trace.shapes import SHAPES

META = torch.device("meta")

# Questions about a tensor, not work on it.
QUERIES = frozenset({
    "size", "dim", "ndimension", "numel", "nelement", "element_size", "stride", "storage_offset", "get_device",
    "is_floating_point", "is_complex", "is_contiguous", "is_inference", "is_same_size", "is_set_to", "data_ptr",
    "untyped_storage", "requires_grad_", "__len__", "__format__", "__repr__",
})  # fmt: skip
FACTORIES = frozenset(
    {"zeros", "ones", "empty", "full", "arange", "linspace", "rand", "randn", "tensor", "eye"}
)

PLAIN = frozenset({int, float, bool, str, type(None)})
SEQUENCES = tuple, list

PRODUCTS = frozenset({"linear", *(f"conv{way}{dims}d" for way in ("", "_transpose") for dims in (1, 2, 3))})


class Recorder(TorchFunctionMode):
    """Writes down what passes by; `by_rule` says whether formulas may stand for the ops that have one."""

    def __init__(self, module: nn.Module, *, by_rule: bool) -> None:
        super().__init__()
        self.module = module
        self.named = [*modules(module)]
        self.memory: set[int] | None = None  # storages of its parameters and buffers, once asked for
        self.shapes = SHAPES if by_rule else {F.dropout: SHAPES[F.dropout]}
        self.ops: list[Op] = []
        self.calls: list[Call] = []
        self.call = -1  # the module call that is running
        self.inside: list[nn.Module] = [module]  # the modules whose calls are running, innermost last
        self.segment = 0  # the checkpointed segment that is running
        self.segments = 0
        self.function = 0  # the custom autograd.Function that is running
        self.saves: dict[int, tuple[Value, ...]] = {}  # what each of them saves
        self.no_grad = False  # whether the module has switched gradients off
        self.values: dict[int, Value] = {}  # by id of the tensor
        self.alive: list[torch.Tensor] = []  # so that no id is used twice
        self.on_meta: dict[int, torch.Tensor] = {}  # meta twins of real weights and constants
        self.running: tuple[str, Any] | None = None  # the op that is running, and its arguments

    @property
    def path(self) -> str:
        return self.calls[self.call].path if self.calls else ""

    def write(self, tensor: torch.Tensor, storage: int = -1) -> Value:
        """A new Value for a tensor just made, or changed in place; its storage is new unless told."""
        number = len(self.alive)
        self.alive.append(tensor)
        home = number if storage < 0 else storage
        value = Value(number, tuple(tensor.shape), tensor.dtype, home, tensor.stride())
        self.values[id(tensor)] = value
        return value

    def read(self, tensor: torch.Tensor) -> Value:
        """The Value of a tensor; parameters and constants get theirs when first read."""
        return self.values.get(id(tensor)) or self.write(tensor)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = self._in_training(func, kwargs) if kwargs else {}
        name = getattr(func, "__name__", None) or str(func)
        if name == "_set_grad_enabled":
            self.no_grad = not args[0]
            return func(*args)
        if name in QUERIES:
            return func(*args, **kwargs)
        if name == "__get__":  # of a property, such as shape or T
            result = func(*args)
            if not isinstance(result, torch.Tensor):
                return result
            name = getattr(func, "__self__", func).__name__
        seen: list[Value] = []
        shown = tuple([self._show(a, seen) for a in args])
        shown_by_name = {k: self._show(v, seen) for k, v in kwargs.items()} if kwargs else kwargs
        self.running = name, (args, kwargs)
        if name in PRODUCTS:
            _check_operands(name, *seen[:2])
        if name in FACTORIES and not seen:
            result = func(*args, **kwargs)
            self.running = None
            return result
        result = self._shaped(func, name, args, kwargs)
        written: tuple[Value, ...]
        if isinstance(result, tuple):
            written = tuple([self.write(each) for each in result])
        elif result is not None:
            written = (self.write(result, seen[0].storage if result is args[0] else -1),)
        else:
            result, given = self._run(func, name, args, kwargs)
            written = self._written(args[0] if name == "__setitem__" else result, given)
        if written:
            self._note(name, shown, shown_by_name, seen, written)
        self.running = None
        return result

    def _in_training(self, func: Callable[..., Any], kwargs: Any) -> Any:
        """Attention's dropout is written down as in training; as None where that cannot be told."""
        if func is F.scaled_dot_product_attention and "dropout_p" in kwargs:
            return {**kwargs, "dropout_p": dropout_in_training(self.inside[-1], kwargs["dropout_p"])}
        return kwargs

    def _written(self, result: Any, given: Any) -> tuple[Value, ...]:
        """The Values of what an op gave, which may be a view of what it was given or even that itself."""
        homes = {t.untyped_storage()._cdata: self.read(t).storage for t in tensors(given)}
        return tuple([self.write(t, homes.get(t.untyped_storage()._cdata, -1)) for t in tensors(result)])

    def _note(self, name: str, args: Any, kwargs: Any, seen: list[Value], written: tuple[Value, ...]) -> None:
        self.ops.append(
            Op(
                name,
                self.path,
                self.call,
                args,
                kwargs,
                tuple(seen),
                written,
                self.segment,
                self.no_grad,
                self.function,
            )
        )

    def _shaped(self, func: Callable[..., Any], name: str, args: Any, kwargs: Any) -> Any:
        """The output by formula; None where there is none for this call."""
        rule = self.shapes.get(func)
        if rule is None or not any(isinstance(a, torch.Tensor) and a.is_meta for a in args):
            return None
        shape = rule(*args, **kwargs)
        if shape is None:
            return None
        place = 3 if name == "dropout" else 1
        if isinstance(shape, list):
            return tuple([torch.empty(each, dtype=args[0].dtype, device=META) for each in shape])
        if name.endswith("_") or kwargs.get("inplace") or (len(args) > place and args[place] is True):
            return args[0] if shape == args[0].shape else None
        if func is F.scaled_dot_product_attention:  # flash attention lays its result out as the queries are
            return torch.empty_like(args[0], device=META)
        return torch.empty(shape, dtype=args[0].dtype, device=META)

    def _run(self, func: Callable[..., Any], name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The result and what it was made of.

        On meta if any tensor is there already; constants among themselves stay real, since values may matter.
        """
        if kwargs.get("dropout_p", 0.0) is None:  # not known, and all the same to a shape
            kwargs = {**kwargs, "dropout_p": 0.0}
        if any(t.is_meta for t in tensors((args, kwargs))):
            args, kwargs = self._to_meta(args), self._to_meta(kwargs)
        elif args and writes(name, kwargs) and self._is_module_s(args[0]):
            args = args[0].clone(), *args[1:]  # a buffer that counts, say, is not to be changed
        return func(*args, **kwargs), (args, kwargs)

    def _is_module_s(self, tensor: Any) -> bool:
        """Whether it shares memory with a parameter or buffer of the module that is traced."""
        if not isinstance(tensor, torch.Tensor):
            return False
        if self.memory is None:
            own = [*parameters(self.module, self.named).values(), *buffers(self.module, self.named)]
            self.memory = {t.untyped_storage()._cdata for t in own}
        return tensor.untyped_storage()._cdata in self.memory

    def _to_meta(self, given: Any) -> Any:
        if type(given) in PLAIN:
            return given
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
        if type(given) in PLAIN:
            return given
        value = self.values.get(id(given))
        if value is None:
            if isinstance(given, torch.Tensor):
                value = self.write(given)
            elif isinstance(given, SEQUENCES):
                if PLAIN.issuperset(map(type, given)):  # as a stride is
                    return tuple(given)
                return tuple([self._show(part, seen) for part in given])
            else:
                return given
        seen.append(value)
        return value

    def enter(self, module: nn.Module, path: str) -> int:
        """A module call begins; what was running before is returned for `leave`."""
        before = self.call
        if before >= 0:
            self.calls[before].leaf = False
        self.call = len(self.calls)
        self.inside.append(module)
        self.calls.append(Call(path, type(module).__name__, before, len(self.ops)))
        return before

    def leave(self, module: nn.Module, before: int, args: Any, result: Any) -> None:
        """It ends. TorchScript, in which no op can be seen, becomes one op of its type's name."""
        call = self.calls[self.call]
        if isinstance(module, torch.jit.ScriptModule):
            del self.ops[call.start :], self.calls[self.call + 1 :]
            seen: list[Value] = []
            shown = tuple([self._show(a, seen) for a in args])
            self._note(call.type, shown, {}, seen, self._written(result, args))
        call.stop = len(self.ops)
        self.call = before
        self.inside.pop()


def _check_operands(name: str, x: Value, weight: Value) -> None:
    """Refuses what every device refuses but meta."""
    if "transpose" in name and len(x.shape) == len(weight.shape) and x.shape[1] != weight.shape[0]:
        raise RuntimeError(f"its input has {x.shape[1]} channels and its weight takes {weight.shape[0]}")
    autocast = torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")
    if x.dtype != weight.dtype and not (autocast and x.dtype.is_floating_point):
        kinds = [str(value.dtype).removeprefix("torch.") for value in (x, weight)]
        raise RuntimeError(f"its input is {kinds[0]} and its weight is {kinds[1]}")


def modules(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """As ``module.named_modules()``, in its order and four times as fast."""
    seen: set[int] = set()
    waiting = [("", module)]
    while waiting:
        path, found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield path, found
        if children := found._modules:
            before = f"{path}." if path else ""
            waiting.extend([(before + name, m) for name, m in reversed(children.items()) if m is not None])


Named = Iterable[tuple[str, nn.Module]]


def parameters(module: nn.Module, named: Named = ()) -> dict[str, nn.Parameter]:
    """As ``dict(module.named_parameters())``; one that is shared has the first of its names.

    named: the module's modules, if they have been walked already.
    """
    found: dict[int, tuple[str, nn.Parameter]] = {}
    for path, part in named or modules(module):
        for name, p in part._parameters.items():
            if p is not None and id(p) not in found:
                found[id(p)] = f"{path}.{name}" if path else name, p
    return dict(found.values())


def buffers(module: nn.Module, named: Named = ()) -> Iterator[torch.Tensor]:
    """As ``module.buffers()``; one that is shared comes more than once."""
    for _, part in named or modules(module):
        yield from [b for b in part._buffers.values() if b is not None]


def tensors(given: Any) -> Iterator[torch.Tensor]:
    """All tensors in a nest of tuples, lists and dicts."""
    if isinstance(given, torch.Tensor):
        yield given
    elif isinstance(given, SEQUENCES):
        for part in given:
            if type(part) not in PLAIN:
                yield from tensors(part)
    elif isinstance(given, Mapping):
        for part in given.values():
            yield from tensors(part)

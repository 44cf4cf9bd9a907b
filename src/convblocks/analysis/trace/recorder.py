"""The recorder, which stands between a module and torch: it sees each op and each module call pass by."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from convblocks.analysis.ops.op import BY_NAME_ONLY, Op, find
from convblocks.analysis.trace.dropout import dropout_in_training
from convblocks.analysis.trace.graph import Call, OpCall, Value
from convblocks.analysis.trace.layouts import layout
from convblocks.analysis.trace.numbering import Numbering
from convblocks.analysis.trace.operands import check_operands
from convblocks.analysis.trace.private import PrivateCopies, only_reads
from convblocks.analysis.trace.script import translated
from convblocks.analysis.trace.values import (
    ASKING,
    HOOKS,
    META,
    SHAPED_BY_VALUES,
    answer,
    conversion,
    device_property,
    unmoved,
    with_constants_counted,
)
from convblocks.analysis.trace.walk import PLAIN, modules, parameters, tensors

# Questions about a tensor, not work on it.
QUERIES = frozenset({
    "size", "dim", "ndimension", "numel", "nelement", "element_size", "stride", "storage_offset", "get_device",
    "is_floating_point", "is_complex", "is_contiguous", "is_inference", "is_same_size", "is_set_to",
    "__len__", "__repr__",
})  # fmt: skip
FACTORIES = frozenset(
    {"zeros", "ones", "empty", "full", "arange", "linspace", "rand", "randn", "tensor", "eye"}
)

LARGEST_CONSTANT = 2**20  # elements


class Recorder(TorchFunctionMode, Numbering):
    """Writes down what passes by; `by_rule` says whether formulas may stand for the ops that have one."""

    def __init__(self, module: nn.Module, *, by_rule: bool) -> None:
        TorchFunctionMode.__init__(self)
        Numbering.__init__(self)
        self.module = module
        self.named = [*modules(module)]
        self.private = PrivateCopies()
        weights = (t for _, m in self.named for t in (*m._parameters.values(), *m._buffers.values()))
        own = next((t for t in weights if t is not None), None)
        self.owners: dict[int, str] | None = (
            None  # paths of modules by the ids of their parameters, for scripts
        )
        self.owner: str | None = None  # the module whose parameter an op of a script reads
        self.device = torch.device("cpu") if own is None else own.device  # that its inputs stand for
        self.by_rule = by_rule
        self.ops: list[OpCall] = []
        self.calls: list[Call] = []
        self.call = -1  # the module call that is running
        self.inside: list[nn.Module] = [module]  # the modules whose calls are running, innermost last
        self.segment = 0  # the checkpointed segment that is running
        self.segments = 0
        self.function = 0  # the custom autograd.Function that is running
        self.saves: dict[int, tuple[Value, ...]] = {}  # what each of them saves
        self.no_grad = False  # whether the module has switched gradients off
        self.on_meta: dict[int, torch.Tensor] = {}  # meta twins of real weights and constants
        self.running: tuple[str, Any] | None = None  # the op that is running, and its arguments

    @property
    def path(self) -> str:
        """The path of the module whose op runs."""
        if self.owner is not None:
            return self.owner
        return self.calls[self.call].path if self.calls else ""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = self._in_training(func, kwargs) if kwargs else {}
        name = getattr(func, "__name__", None) or str(func)
        if name == "_set_grad_enabled":
            self.no_grad = not args[0]
            return func(*args)
        if name == "__get__":  # of a property, such as shape or T
            name = func.__self__.__name__  # type: ignore[attr-defined]
            result = self._property(func, name, args)
            if not isinstance(result, torch.Tensor) or is_lazy(args[0]):
                return result
        elif name in QUERIES:
            return func(*self._present(args), **kwargs)
        self.running = name, (args, kwargs)
        if name in HOOKS or name == "requires_grad_" or name == "__set__":
            return self._unrecorded(func, name, args, kwargs)
        return self._op(func, name, args, kwargs)

    def of_script(self, func: Any, args: Any, kwargs: Any) -> Any:
        """An op of TorchScript; its path is that of the module whose parameters it reads."""
        if self.owners is None:
            names = parameters(self.module, self.named).items()
            self.owners = {id(p): name.rpartition(".")[0] for name, p in names}
        own_name = func.overloadpacket.__name__
        name, call = translated(own_name, args)
        inputs: list[Value] = []
        shown = tuple([self.shown(a, inputs) for a in call])
        shown_by_name = {k: self.shown(v, inputs) for k, v in kwargs.items()}
        self.owner = next((self.owners[id(t)] for t in tensors(args) if id(t) in self.owners), None)
        self.running = name, (call, kwargs)
        result, given = self._run(func, own_name, args, kwargs)
        if find(name).idle:  # in eval mode its input, in training a new tensor
            result = torch.empty_like(result)
        if inputs and (written := self.written(result, given)):
            self.note(name, find(name), shown, shown_by_name, inputs, written)
        self.running = self.owner = None
        return result

    def _op(self, func: Callable[..., Any], name: str, args: Any, kwargs: Any) -> Any:
        inputs: list[Value] = []
        shown = tuple([self.shown(a, inputs) for a in args])
        shown_by_name = {k: self.shown(v, inputs) for k, v in kwargs.items()} if kwargs else kwargs
        op = find(name)
        if op.checks_operands:
            check_operands(*inputs[:2], transposed="output_padding" in op.parameters)
        if name in FACTORIES and not inputs:
            return self._create(func, args, kwargs)
        result = self._shaped(func, op, name, args, kwargs)
        written: tuple[Value, ...]
        if isinstance(result, tuple):
            written = tuple([self.write(each) for each in result])
        elif result is not None:
            written = (self.write(result, inputs[0].storage if result is args[0] else -1),)
        else:
            result, given = self._run(func, name, args, kwargs)
            assigns = result is None and op.in_place(name, kwargs)  # x[…] = y
            written = self.written(given[0][0] if assigns else result, given)
            result = self._in_its_place(args, result, given[0], written)
        if written:
            self.note(name, op, shown, shown_by_name, inputs, written)
        self.running = None
        return result

    def _property(self, func: Callable[..., Any], name: str, args: Any) -> Any:
        if name == "shape" and not self.private:  # read often
            return func(*args)
        known = device_property(name, self.device) if args[0].is_meta else None
        return func(*self._present(args)) if known is None else known

    def _present(self, given: Any) -> Any:
        """Arguments of a question: a tensor that was written on answers as it is now."""
        return self.private.of(given, reading=True) if self.private else given

    def _in_training(self, func: Callable[..., Any], kwargs: Any) -> Any:
        """Attention's dropout is written down as in training; as None where that is unknown."""
        if func is F.scaled_dot_product_attention and "dropout_p" in kwargs:
            return {**kwargs, "dropout_p": dropout_in_training(self.inside[-1], kwargs["dropout_p"])}
        return kwargs

    def note(
        self, name: str, op: Op, args: Any, kwargs: Any, inputs: list[Value], written: tuple[Value, ...]
    ) -> None:
        """Writes down a call of an op."""
        self.ops.append(
            OpCall(
                name,
                self.path,
                self.call,
                args,
                kwargs,
                tuple(inputs),
                written,
                op,
                self.segment,
                self.no_grad,
                self.function,
            )
        )

    def _shaped(self, func: Callable[..., Any], op: Op, name: str, args: Any, kwargs: Any) -> Any:
        """The output by formula; None where there is none for this call."""
        if op.shape is None or not (self.by_rule or op.idle):
            return None
        rule = op.shape.get(func)
        if rule is None or not any(isinstance(a, torch.Tensor) and a.is_meta for a in args):
            return None
        shape = rule(*self._present(args), **kwargs)
        if shape is None:
            return None
        if isinstance(shape, list):
            return tuple([torch.empty(each, dtype=args[0].dtype, device=META) for each in shape])
        place, _ = op.parameters.get("inplace", (BY_NAME_ONLY, False))
        if op.in_place(name, kwargs) or kwargs.get("inplace") or (len(args) > place and args[place] is True):
            return args[0] if shape == args[0].shape else None
        if func is F.scaled_dot_product_attention:  # flash attention lays its result out as the queries are
            return torch.empty_like(args[0], device=META)
        return torch.empty(shape, dtype=args[0].dtype, device=META, memory_format=layout(func, args, shape))

    def _run(self, func: Callable[..., Any], name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The result and what it was made of.

        On meta if any tensor is there already; constants among themselves stay real, since values may matter.
        """
        if kwargs.get("dropout_p", 0.0) is None:  # not known, and all the same to a shape
            kwargs = {**kwargs, "dropout_p": 0.0}
        op = find(name)
        if any(t.is_meta for t in tensors((args, kwargs))):
            if args and op.in_place(name, kwargs):
                args = self.to_meta(args[0], scalars=True), *args[1:]
            if op.shaped_by_values or name in SHAPED_BY_VALUES:
                args, kwargs = with_constants_counted(
                    self._present(args), kwargs, repeats="repeats" in op.parameters
                )
            args, kwargs = self.to_meta(args), unmoved(self.to_meta(kwargs))
            if op.converts and args[0].is_meta:
                return conversion(args, kwargs, self.device, by_type="dtype" in op.parameters), (args, kwargs)
            if op.reply and args[0].is_meta:
                return op.reply(args[0]), (args, kwargs)
            if name in ASKING and args[0].is_meta and (reply := answer(name, args)) is not NotImplemented:
                return reply, (args, kwargs)
            try:
                return func(*args, **kwargs), (args, kwargs)
            except RuntimeError as error:
                if "device" not in str(error).lower():
                    raise
            # one of the ops that take no real scalar beside a meta tensor
            args, kwargs = (self.to_meta(given, scalars=True) for given in (args, kwargs))
            return func(*args, **kwargs), (args, kwargs)
        reading = only_reads(op, name, args, kwargs)
        args, kwargs = (self.private.of(given, reading=reading) for given in (args, kwargs))
        result = func(*args, **kwargs)
        self.private.made(tensors(result), tensors((args, kwargs)))
        return result, (args, kwargs)

    def _in_its_place(self, args: Any, result: Any, given: Any, written: Any) -> Any:
        """The result of an op, for one in place that worked on a copy the tensor that it was called on."""
        if not args or args[0] is given[0] or not written or not isinstance(args[0], torch.Tensor):
            return result
        if result is not None and result is not given[0]:
            return result
        if not isinstance(args[0], nn.Parameter):
            self.values[id(args[0])] = written[0]
        return result if given[0].is_meta else args[0]

    def _unrecorded(self, func: Callable[..., Any], name: str, args: Any, kwargs: Any) -> Any:
        """Runs what is no op: hooks, which no backward comes to call, and properties that are set."""
        self.running = None
        if name in HOOKS:
            return RemovableHandle(OrderedDict())
        on_meta = args[0].is_meta
        func(*(self.to_meta(args) if on_meta else self.private.of(args, reading=False)), **kwargs)
        if name == "__set__" and on_meta and isinstance(args[1], torch.Tensor):  # data, that is
            self.values[id(args[0])] = self.read(args[1])
        return args[0]

    def _create(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A new tensor: real, since its values may matter, unless it is as large as a map on the input's device."""
        self.running = None
        if kwargs.get("device") is not None and func is not torch.tensor:
            on_meta = func(*args, **unmoved(kwargs))
            if on_meta.numel() > LARGEST_CONSTANT:
                return on_meta
        result = func(*args, **kwargs)
        self.private.made([result])
        return result

    def to_meta(self, given: Any, *, scalars: bool = False) -> Any:
        """On meta, but for tensors without axes, which mix with any device; `scalars`: those too."""
        if type(given) in PLAIN:
            return given
        if isinstance(given, torch.Tensor):
            if given.is_meta or (given.ndim == 0 and not scalars and not isinstance(given, nn.Parameter)):
                return given
            now = self._present(given)
            if id(given) not in self.on_meta or self.on_meta[id(given)].shape != now.shape:
                self.on_meta[id(given)] = twin = now.detach().to(META)
                self.values[id(twin)] = self.read(given)
                self.alive.append(twin)
            return self.on_meta[id(given)]
        if isinstance(given, dict):
            return {name: self.to_meta(value, scalars=scalars) for name, value in given.items()}
        if type(given) in (tuple, list):
            return type(given)(self.to_meta(value, scalars=scalars) for value in given)
        return given

    def enter(self, module: nn.Module, path: str) -> int:
        """Begins a module call; returns the number of the call that was running, for `leave`."""
        before = self.call
        if before >= 0:
            self.calls[before].leaf = False
        self.call = len(self.calls)
        self.inside.append(module)
        script = isinstance(module, torch.jit.ScriptModule)  # its parts are called unseen
        self.calls.append(Call(path, type(module).__name__, before, len(self.ops), leaf=not script))
        return before

    def leave(self, before: int) -> None:
        """Ends the module call that is running; `before` is what `enter` returned."""
        self.calls[self.call].stop = len(self.ops)
        self.call = before
        self.inside.pop()

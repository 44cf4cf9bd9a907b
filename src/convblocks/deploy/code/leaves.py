"""PyTorch's own modules and tensors as the calls that make them, read off their attributes."""

import inspect
from typing import Any

import torch
from torch import nn

from convblocks.deploy.code.definitions import is_plain
from convblocks.deploy.code.node import IDENTITY, Node
from convblocks.errors import CodeError

# arguments in which one number stands for all axes
SPREAD = ("kernel_size", "stride", "padding", "dilation", "output_padding")
CONTAINERS = {nn.Sequential: "*", nn.ModuleList: "[", nn.ModuleDict: "{"}
# numbers of a tensor that stand in the file; more come with the weights
MOST_WRITTEN = 256


def torch_class(kind: type[nn.Module]) -> type[nn.Module]:
    """Returns the nearest class of PyTorch that `kind` is or derives from."""
    return next(c for c in kind.__mro__ if c.__module__.partition(".")[0] == "torch")


def leaf(module: nn.Module, path: str) -> Node:
    """Returns the call that makes one of PyTorch's modules: ``nn.Conv2d(3, 64, 3, padding=1)``.

    Raises:
        CodeError: the attributes do not tell the arguments.
    """
    kind = torch_class(type(module))
    if kind is nn.Identity:
        return IDENTITY
    if isinstance(module, nn.modules.dropout._DropoutNd) and module.p == 0:
        return IDENTITY
    name = f"nn.{kind.__name__}"
    if getattr(nn, kind.__name__, None) is not kind:
        raise CodeError(
            f"{path or 'the module'} is a {kind.__module__}.{kind.__name__}, which torch.nn does not have"
        )
    args, defaults = {}, {}
    own = [] if kind.__init__ is nn.Module.__init__ else inspect.signature(kind.__init__).parameters.values()
    for parameter in list(own)[1:]:
        if parameter.name in ("device", "dtype") or parameter.name[0] == "_":
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise CodeError(f"{path or 'the module'} is an {name}, whose arguments cannot be read off it")
        default = parameter.default
        value = _argument(module, parameter.name, default)
        if value is parameter.empty:
            raise CodeError(f"{path or 'the module'} is an {name} that does not keep its {parameter.name}")
        args[parameter.name] = value
        if default is not parameter.empty:
            defaults[parameter.name] = default
    if "padding" in args and "stride" in defaults and defaults["stride"] is None:
        # a pool's
        defaults["stride"] = args["kernel_size"]
    return Node(name, args, defaults)


def _argument(module: nn.Module, name: str, default: Any) -> Any:
    if name == "bias":
        return getattr(module, "bias", None) is not None
    value = getattr(module, name, default)
    if name in SPREAD or name == "normalized_shape":
        value = tuple(value) if isinstance(value, list) else value
        if (
            isinstance(value, tuple)
            and value
            and len(set(value)) == 1
            and (name in SPREAD or len(value) == 1)
        ):
            value = value[0]
    if value is not inspect.Parameter.empty and not is_plain(value):
        raise CodeError(
            f"{type(module).__name__} has a {name} of type {type(value).__name__}, which is no literal"
        )
    return value


def tensor(value: torch.Tensor, path: str, *, saved: bool = True) -> Node:
    """Returns the call that makes a tensor: ``torch.ones(64, 1, 1)``; a few other numbers stand in full.

    Args:
        value: the tensor, of any dtype and shape.
        path: its name in the module, for messages.
        saved: the state dict has it, so that the file may start from zeros.

    Raises:
        CodeError: it holds many numbers that no state dict keeps.
    """
    kind = {} if value.dtype is torch.float32 else {"dtype": Dtype(value.dtype)}
    sizes: dict[str, Any] = {f"size_{i}": n for i, n in enumerate(value.shape)} or {"size_0": ()}
    defaults = {"dtype": None}
    if value.is_meta or value.numel() == 0:
        return Node("torch.zeros", {**sizes, **kind}, defaults)
    first = value.detach().flatten()[0]
    if bool((value.detach() == first).all()):
        maker = "torch.zeros" if first.item() == 0 else "torch.ones" if first.item() == 1 else ""
        if maker:
            return Node(maker, {**sizes, **kind}, defaults)
        size = Node("", sizes if value.shape else {}, wrap="(")
        return Node("torch.full", {"size": size, "fill_value": _shortest(first), **kind}, defaults)
    if value.numel() <= MOST_WRITTEN:
        return Node("torch.tensor", {"data": value.tolist(), **kind}, defaults)
    if not saved:
        raise CodeError(
            f"{path} holds {value.numel():,} numbers that no state dict keeps; a file cannot either"
        )
    return Node("torch.zeros", {**sizes, **kind}, defaults)


def _shortest(number: torch.Tensor) -> Any:
    """Returns the number with as few digits as its dtype needs: 1e-06, not 9.999999974752427e-07."""
    if not number.is_floating_point():
        return number.item()
    rounded = (float(f"{number.item():.{digits}g}") for digits in range(1, 18))
    return next((r for r in rounded if number.new_tensor(r) == number), number.item())


class Dtype(str):
    """A dtype, whose literal is its name."""

    def __new__(cls, dtype: torch.dtype) -> "Dtype":
        """Makes it from torch's dtype."""
        return super().__new__(cls, dtype)

    def __repr__(self) -> str:
        return str(self)


def container(module: nn.Module, children: dict[str, Node]) -> Node:
    """Returns ``nn.Sequential(…)`` or the like, with names where they are not 0, 1, 2, …."""
    kind = torch_class(type(module))
    wrap = CONTAINERS[kind]
    if wrap == "*" and list(children) != [str(i) for i in range(len(children))]:
        wrap = "od"
    return Node(f"nn.{kind.__name__}", children, wrap=wrap)

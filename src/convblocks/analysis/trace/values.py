"""Stand-ins for the values that a trace does not have: a forward may print and keep them, not decide by them.

Where a forward asks for a tensor's value, it gets the tensor itself, which computes on and formats as a number, and
which refuses, with the cause, to be a condition, a size or an index.
"""

import opcode
import sys
from types import FrameType
from typing import Any

import numpy as np
import torch

META = torch.device("meta")
REDUCTIONS = frozenset({"mean", "sum", "std", "var", "min", "max", "any", "all", "prod"})


class ArrayWithoutValues:
    """The result of `Tensor.numpy`: shape and type are known, and whatever needs a value is refused."""

    def __init__(self, tensor: torch.Tensor, dtype: np.dtype[Any] | None = None) -> None:
        self._tensor = tensor
        self.dtype = dtype or torch.empty(0, dtype=tensor.dtype).numpy().dtype
        self.shape, self.ndim, self.size = tuple(tensor.shape), tensor.ndim, tensor.numel()
        self.nbytes = self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return len(self._tensor)

    def __repr__(self) -> str:
        return f"array of shape {self.shape} and type {self.dtype}, without values"

    def copy(self) -> "ArrayWithoutValues":
        """Returns the array itself, which nobody can write on."""
        return self

    def astype(self, dtype: Any, **_options: Any) -> "ArrayWithoutValues":
        """Returns an array of another type."""
        return ArrayWithoutValues(self._tensor, np.dtype(dtype))

    def __array__(self, *_args: Any, **_options: Any) -> Any:
        raise RuntimeError("an array made of a meta tensor; no data")

    def __getattr__(self, name: str) -> Any:
        if name in REDUCTIONS:
            return getattr(self._tensor, name)
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(f"numpy().{name} of a meta tensor; no data")


def nested_numbers(tensor: torch.Tensor) -> Any:
    """Returns what stands for a tensor as lists: each element the same tensor without axes."""
    return _nested(tensor.new_empty((), device=META), tuple(tensor.shape))


def _nested(tensor: torch.Tensor, shape: tuple[int, ...]) -> Any:
    return [_nested(tensor, shape[1:]) for _ in range(shape[0])] if shape else tensor


def number(tensor: torch.Tensor) -> torch.Tensor:
    """Returns what stands for a tensor's one value: the tensor itself."""
    if tensor.numel() != 1:
        raise RuntimeError(f"a Tensor with {tensor.numel()} elements cannot be converted to Scalar")
    return tensor.detach().reshape(())


def _in_percent_format(frame: FrameType | None) -> bool:
    """Returns whether the code that asks is at ``text % number``, which makes text to print: nan, or 0 for ``%d``.

    With a number on the left, Python asks the tensor for ``__rmod__`` instead.
    """
    here = torch.__path__[0], __file__, __file__.replace("values.py", "recorder.py")
    while frame and frame.f_code.co_filename.startswith(here):
        frame = frame.f_back
    if frame is None:
        return False
    code, at = frame.f_code.co_code, frame.f_lasti
    if opcode.opname[code[at]] != "BINARY_OP":
        return False
    operator: str = opcode._nb_ops[code[at + 1]][1]  # type: ignore[attr-defined]
    return operator in ("%", "%=")


def answer(name: str, args: tuple[Any, ...]) -> Any:
    """The answer of a meta tensor to the method `name`; NotImplemented where it is an ordinary op."""
    tensor = args[0]
    if name == "numpy":
        return ArrayWithoutValues(tensor)
    if name == "__format__":
        return "?" if args[1:] != ("",) else repr(tensor)
    if name in ("__float__", "__int__", "__index__") and _in_percent_format(sys._getframe(1)):
        return float("nan") if name == "__float__" else 0
    return NotImplemented


# No backward comes, so that none of them is called.
HOOKS = frozenset({"register_hook", "register_post_accumulate_grad_hook", "retain_grad"})
ASKING = frozenset({"numpy", "__format__", "__float__", "__int__", "__index__"})
DEVICES = frozenset({"cpu", "cuda", "xpu", "mps", "meta", "xla", "hpu", "mtia", "maia", "ipu", "vulkan"})


def device_property(name: str, device: torch.device) -> Any:
    """`Tensor.device` and `Tensor.is_cuda` of a tensor that stands for one on `device`; None for other properties."""
    if name == "device":
        return device
    return device.type == name[3:] if name.startswith("is_") and name[3:] in DEVICES else None


def conversion(args: tuple[Any, ...], kwargs: dict[str, Any], device: torch.device, *, by_type: bool) -> Any:
    """Returns what `Tensor.to` and its kind make of a meta tensor, which stays on meta: other devices have its shape.

    by_type: of `Tensor.type`, which by itself tells the name of the type.
    """
    x, *rest = args
    if by_type and not rest and not kwargs:
        return _type_name(x.dtype, device)
    dtype = x.dtype
    for given in (*rest, *kwargs.values()):
        if isinstance(given, torch.Tensor):
            dtype = given.dtype
        elif isinstance(given, torch.dtype):
            dtype = given
        elif by_type:
            dtype = given.dtype if hasattr(given, "dtype") else _named_type(str(given))
    layout = kwargs.get("memory_format", torch.preserve_format)
    copies = kwargs.get("copy", len(rest) > 2 and rest[-1] is True)
    return x.to(dtype=dtype, copy=copies, memory_format=layout)


def _type_name(dtype: torch.dtype, device: torch.device) -> str:
    name: str = torch.empty(0, dtype=dtype).type()
    return name if device.type == "cpu" else name.replace("torch.", f"torch.{device.type}.")


def _named_type(name: str) -> torch.dtype:
    """``torch.cuda.FloatTensor``."""
    dtype: torch.dtype = getattr(torch, name.rpartition(".")[2]).dtype
    return dtype


def unmoved(given: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments with meta in place of any other device."""
    return {**given, "device": META} if given.get("device") is not None else given


SHAPED_BY_VALUES = frozenset({"index"})  # TorchScript's name of indexing; Python's ops say it themselves


def with_constants_counted(
    args: tuple[Any, ...], kwargs: dict[str, Any], *, repeats: bool
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns the same call of an op whose output's shape depends on values, with those of constants put into the call.

    A mask becomes the positions where it is true, and repeats come with their sum.
    """
    x, given, *more = args if len(args) > 1 else (args[0], kwargs.get("repeats"))
    if not repeats:
        several = type(given) in (tuple, list)
        positions = [place for part in (given if several else [given]) for place in _positions(part)]
        return (x, type(given)(positions) if several else tuple(positions), *more), kwargs
    if not isinstance(given, torch.Tensor) or given.is_meta:
        return args, kwargs
    options = {name: value for name, value in kwargs.items() if name != "repeats"}
    if given.numel() == 1:
        return (x, int(given), *more), options
    return (x, given, *more), {"output_size": int(given.sum()), **options}


def _positions(part: Any) -> list[Any]:
    """Returns what stands for one part of an index."""
    mask = torch.from_numpy(part) if isinstance(part, np.ndarray) else part
    if not isinstance(mask, torch.Tensor) or mask.is_meta or not mask.ndim:
        return [part]
    return [*mask.nonzero(as_tuple=True)] if mask.dtype in (torch.bool, torch.uint8) else [part]

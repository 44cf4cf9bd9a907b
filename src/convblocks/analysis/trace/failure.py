"""The reason why a forward pass could not be observed, in one line: what was given, where it broke, the fix."""

import inspect
import re
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

from convblocks.analysis.ops.op import find
from convblocks.analysis.trace.fitting import Sizes, depths
from convblocks.analysis.trace.fixes import Broken, fix_of
from convblocks.analysis.trace.graph import Trace
from convblocks.analysis.trace.several_examples import keeping_axis, lost_axis
from convblocks.analysis.trace.walk import modules
from convblocks.errors import TraceError
from convblocks.text import listed, times

REFUSED = (
    (r"input\.size\(-1\) must be equal to input_size\. Expected \d+, got (\d+)", "input_size"),
    (r"expecting embedding dimension of \d+, but got (\d+)", "embed_dim"),
    (r"to match num_features \(\d+\), but got: (\d+)", "num_features"),
)


class Retry(Protocol):
    """Attempts the forward pass again with inputs of other sizes, or of other dtypes."""

    def __call__(self, sizes: Sizes, others: Sequence[torch.dtype] = ()) -> object:
        """Returns what `attempt` does."""


class Failed(Exception):
    """A forward pass raised; the cause is what it raised.

    `trace` is that of the ops until then; its outputs are the tensors given to the op that failed, if it was one.
    """

    def __init__(self, path: str, running: tuple[str, Any] | None, trace: Trace) -> None:
        super().__init__(path, running)
        self.path, self.running, self.trace = path, running, trace


def gets_past(failed: Failed, retry: Callable[[Sizes], object], sizes: Sizes) -> bool:
    """Returns whether a forward of inputs of other sizes comes past the place where it failed."""
    again = retry(sizes)
    return not isinstance(again, Failed) or len(again.trace.ops) > len(failed.trace.ops)


def check_inputs(
    module: nn.Module, input_sizes: Sequence[Sequence[int]], dtypes: Sequence[torch.dtype]
) -> None:
    """Raises TraceError for what cannot be tried at all."""
    if not isinstance(module, nn.Module):
        raise TraceError(f"got a {type(module).__name__}; expected an nn.Module")
    name = type(module).__name__
    if not input_sizes:
        raise TraceError(f"{name}: no input size given; expected (channels, *spatial), e.g. (3, 224, 224)")
    for size in input_sizes:
        if not isinstance(size, Sequence) or not all(isinstance(n, int) and n > 0 for n in size):
            raise TraceError(
                f"{name}: got the input size {size!r}; expected whole numbers above 0, e.g. (3, 224, 224), "
                "without the batch axis"
            )
    if len(dtypes) > len(input_sizes):
        raise TraceError(f"{name}: got {len(dtypes)} dtypes for {len(input_sizes)} inputs")
    for path, m in modules(module):
        if isinstance(m, LazyModuleMixin) and m.has_uninitialized_params():
            raise TraceError(
                f"{name}: {path or 'it'} has no weights before its first forward; run the module once on an "
                "example, inside the function that makes it, before it returns"
            )


def refusal(module: nn.Module, inputs: list[torch.Tensor], failed: Failed, retry: Retry) -> TraceError:
    """The error to raise for a forward pass that failed."""
    error, name = failed.__cause__, type(module).__name__
    assert error is not None
    shapes = [failed.trace.input_size, *(x.shape[1:] for x in inputs[1:])]
    sizes = listed(map(times, shapes))
    if isinstance(error, TypeError) and (wanted := _wanted(module, inputs)):
        return TraceError(f"{name} cannot take an input of {sizes}: {wanted}")
    text = str(error).strip()
    if "in the TorchScript interpreter" in text:  # after its own traceback
        text = text.splitlines()[-1]
    message = " ".join(text.split())
    fix = _dtype_fix(module, inputs, failed, retry) or _fix(module, inputs, failed, retry, message)
    fix = fix or next((fix for sign, fix in FIXES if sign in message), "")
    reason = (
        message if message and isinstance(error, SPEAKING) else f"{type(error).__name__} {message}".strip()
    )
    most = SHORTER if fix else LONGEST
    if len(reason) > most:
        reason = reason[:most].rsplit(" ", 1)[0] + " …"
    if fix:
        fix = f"; {fix}"
        reason = reason.rstrip(".")
    at = f" at {failed.path}" if failed.path else ""
    what = f" in {_call(*failed.running)}" if failed.running else ""
    line = line_of(error)
    return TraceError(f"{name} cannot take an input of {sizes}{at}{what}{line}: {reason}{fix}")


def refusal_of_one(module: nn.Module, failed: Failed, several: Trace) -> TraceError:
    """The error to raise for a forward that fails with one example alone."""
    op = lost_axis(failed.trace, several)
    fix = keeping_axis(op) if op else "take the batch's size from x.shape[0]"
    reason = " ".join(str(failed.__cause__).split()).rstrip(".")
    at = f" at {failed.path}" if failed.path else ""
    return TraceError(
        f"{type(module).__name__} cannot take one example{at}, and takes a batch of several: {reason}; {fix}"
    )


def _dtype_fix(module: nn.Module, inputs: list[torch.Tensor], failed: Failed, retry: Retry) -> str:
    """The dtype of all weights in place of the inputs', where the forward then comes farther."""
    kinds = {p.dtype for p in module.parameters() if p.is_floating_point()}
    if len(kinds) != 1:
        return ""
    (kind,), given = kinds, [x.dtype for x in inputs]
    sizes = [tuple(x.shape[1:]) for x in inputs]
    for wanted in ([kind if d.is_floating_point else d for d in given], [kind] * len(given)):
        again = retry(sizes, wanted) if wanted != given else failed
        if not isinstance(again, Failed) or len(again.trace.ops) > len(failed.trace.ops):
            names = [str(d).removeprefix("torch.") for d in wanted]
            typed = listed(f"{'x'.join(map(str, s))}:{d}" for s, d in zip(sizes, names, strict=True))
            dtypes = f"dtypes=[{', '.join(map(str, wanted))}]"
            return f"give the dtype of the weights: {typed} at the command line, {dtypes} in Python"
    return ""


def _fix(
    module: nn.Module,
    inputs: list[torch.Tensor],
    failed: Failed,
    retry: Retry,
    reason: str,
) -> str:
    """Returns what to change, computed from the shapes of the op that failed."""
    layer = dict(modules(module)).get(failed.path)
    if failed.running is None:
        return _fix_in_words(reason, layer, failed.path)
    name, (args, kwargs) = failed.running

    def succeeds(sizes: Sizes) -> bool:
        return not isinstance(retry(sizes), Failed)

    sizes = [tuple(x.shape[1:]) for x in inputs]
    passed = depths(failed.trace)
    layers = tuple([passed.get(value.number, 0) for value in failed.trace.outputs])
    broken = Broken(
        find(name),
        args,
        kwargs,
        layer,
        failed.path,
        layers,
        sizes,
        partial(gets_past, failed, retry),
        succeeds,
    )
    return fix_of(broken) or _fix_in_words(reason, layer, failed.path)


LONGEST, SHORTER = 240, 160  # characters of torch's own message, alone and before a fix
SPEAKING = (
    RuntimeError,
    ValueError,
    TypeError,
    AssertionError,
)  # whose messages say enough without their kind

_VALUES = (
    "the forward asks for a tensor's values, which no trace has: take the branch by a shape or an option instead; to "
    'print one, use f"{x:.3f}", not float or round'
)
_LARGER = "give a larger input"
_DTYPE = (
    "give each input's dtype, for indices 16:int64 at the command line and dtypes=[torch.int64] in Python; else it is "
    "float32"
)
_CHANNELS = "give the channels that this layer takes first and then the spatial axes, e.g. 3x224x224"
_FIXED = "this layer takes one number of features only: give the input size that the module is made for"
FIXES = (
    ("on meta tensors", _VALUES),
    ("meta tensor; no data", _VALUES),
    ("on a meta tensor", _VALUES),
    ("convert meta device type tensor", _VALUES),
    ("data-dependent", _VALUES),
    ("data-independent", _VALUES),
    ("Boolean value of Tensor", _VALUES),
    ("aten::_local_scalar_dense", _VALUES),
    ("aten::nonzero", _VALUES),
    ("Cannot cast tensor(..., device='meta'", _VALUES),
    ("aten::equal", _VALUES),
    ("an integer is required, not Tensor", _VALUES),
    ("define __round__ method", _VALUES),
    ("Kernel size can't be greater", _LARGER),
    ("Calculated padded input size", _LARGER),
    ("Output size is too small", _LARGER),
    ("output size is too small", _LARGER),
    ("Padding size should be less", _LARGER),
    ("Expected tensor for argument #1 'indices'", _DTYPE),
    ("to have one of the following scalar types: Long, Int", _DTYPE),
    ("indices must be long, int, byte or bool tensors", _DTYPE),
    ("and its weight is", _DTYPE),
    ("Invalid channel dimensions", _CHANNELS),
    ("must have same reduction dim", _FIXED),
)


def _wanted(module: nn.Module, inputs: list[torch.Tensor]) -> str:
    """Returns what the forward's signature needs and was not given; empty if the number of inputs fits."""
    signature = inspect.signature(module.forward)
    try:
        signature.bind(*inputs)
    except TypeError:
        needed = [p for p in signature.parameters.values() if p.default is p.empty]
        named = [p.name for p in needed if p.kind is p.KEYWORD_ONLY]
        placed = [p.name for p in needed if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if named:
            options = listed(named)
            return (
                f"its forward needs {options} by name; wrap it in a module whose forward takes tensors alone"
            )
        noun = "input" if len(placed) == 1 else "inputs"
        return (
            f"its forward takes {len(placed)} {noun} ({', '.join(placed)}), got {len(inputs)}; give a size for each, "
            "and a dtype where it is not float32, e.g. 3x224x224 and 16:int64 at the command line"
        )
    return ""


def line_of(error: BaseException | None) -> str:
    """`` (model.py, line 12)``: the last line of the user's own code that ran; empty if none did."""
    package = Path(__file__).parents[2]
    ours = (str(Path(torch.__file__).parent), str(package / "analysis"), str(package / "signal"), "<")
    place = error.__traceback__ if error else None
    frames = [f for f in traceback.extract_tb(place) if not f.filename.startswith(ours)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _call(name: str, given: tuple[Any, Any]) -> str:
    """``conv2d(1×3×4×4, 8×3×5×5)``: the op and the shapes of its tensors."""
    args, kwargs = given
    shapes = [times(a.shape) for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor)]
    return f"{name}({', '.join(shapes)})"


def _fix_in_words(reason: str, layer: nn.Module | None, place: str) -> str:
    """Returns what to change where a layer itself refuses its input, from the text that says what came."""
    at = f" in {place}" if place else ""
    for pattern, option in REFUSED:
        if match := re.search(pattern, reason):
            return f"{option}={match[1]}{at}"
    match = re.search(r"expected [\w ]+ input \(got (\d)D input\)", reason)
    kind = re.sub(r"\dd$", "", type(layer).__name__)
    if match and kind.endswith("Norm") and 2 <= (axes := int(match[1])) <= 5:
        return f"{kind}{max(axes - 2, 1)}d{at}, for {axes} axes with the batch"
    if "Expected hidden" in reason:
        return f"make its first state for x.shape[0] examples{at}"
    return ""

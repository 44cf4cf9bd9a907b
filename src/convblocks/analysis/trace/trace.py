"""One forward pass of any module without data, written down as a list of ops.

The recorder stands between the module and torch. Ops whose output shape is a formula (shapes.py) are not
run at all; the rest run on the meta device, which computes shapes alone. The module itself is not changed:
its real weights are shown to an op as meta tensors of the same shape.
"""

import warnings
from collections.abc import Sequence
from functools import partial

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from convblocks.analysis.trace.batches import SEVERAL
from convblocks.analysis.trace.failure import Failed, check_inputs, refusal, refusal_of_one
from convblocks.analysis.trace.graph import Parameter, Trace, Value
from convblocks.analysis.trace.recorder import Recorder
from convblocks.analysis.trace.values import META
from convblocks.analysis.trace.walk import buffers, modules, parameters, tensors
from convblocks.analysis.trace.watch import observing
from convblocks.errors import TraceError


def trace(
    module: nn.Module, *input_sizes: Sequence[int], dtypes: Sequence[torch.dtype] = (), batch: int = 1
) -> Trace:
    """Observe one forward pass in eval mode, without data and without touching the module's weights.

    input_sizes: (channels, *spatial) of each input, without the batch axis.
    dtypes: of each input, float32 where not given.
    batch: how many of each; it stands in every shape of the trace.
    Raises TraceError if the forward fails, e.g. because the input is too small.
    """
    found = attempt(module, *input_sizes, dtypes=dtypes, batch=batch)
    if isinstance(found, Failed):
        several = attempt(module, *input_sizes, dtypes=dtypes, batch=SEVERAL) if batch == 1 else found
        if not isinstance(several, Failed):
            raise refusal_of_one(module, found, several) from found.__cause__
        retry = partial(_retried, module, dtypes, batch)
        raise refusal(module, _inputs(input_sizes, dtypes, batch), found, retry) from found.__cause__
    return found


def _retried(
    module: nn.Module, dtypes: Sequence[torch.dtype], batch: int, sizes: Sequence[Sequence[int]]
) -> Trace | Failed:
    return attempt(module, *sizes, dtypes=dtypes, batch=batch)


def attempt(
    module: nn.Module, *input_sizes: Sequence[int], dtypes: Sequence[torch.dtype] = (), batch: int = 1
) -> Trace | Failed:
    """As `trace`, but a forward that fails is not an error: what was seen until then is given back."""
    check_inputs(module, input_sizes, dtypes)
    inputs = _inputs(input_sizes, dtypes, batch)
    try:
        return _observed(module, inputs, by_rule=True)
    except Failed:  # a formula gives contiguous tensors; a view may need the layout that the module asked for
        pass
    try:
        return _observed(module, inputs, by_rule=False)
    except Failed as failed:
        return failed


def _inputs(
    input_sizes: Sequence[Sequence[int]], dtypes: Sequence[torch.dtype], batch: int
) -> list[torch.Tensor]:
    kinds = [*dtypes, *[torch.float32] * (len(input_sizes) - len(dtypes))]
    return [
        torch.empty(batch, *size, dtype=d, device=META) for size, d in zip(input_sizes, kinds, strict=True)
    ]


def _observed(module: nn.Module, inputs: list[torch.Tensor], *, by_rule: bool) -> Trace:
    recorder = Recorder(module, by_rule=by_rule)
    given = tuple([recorder.write(x) for x in inputs])
    try:
        with warnings.catch_warnings(), observing(recorder):
            warnings.simplefilter("ignore")  # those of a forward are for who runs it on data
            result = module(*inputs)
            outputs = tuple([recorder.read(t) for t in tensors(result)])
            seen = _seen(module, recorder, given, outputs)  # here, for parameters that the forward has added
    except Exception as error:  # a forward may raise anything
        for call in recorder.calls:
            call.stop = len(recorder.ops) if call.stop < 0 else call.stop
        given_to_op = tensors(recorder.running[1]) if recorder.running else ()
        operands = [recorder.read(t) for t in given_to_op if not is_lazy(t)]
        seen = _seen(module, recorder, given, tuple(operands))
        raise Failed(recorder.path, recorder.running, seen) from error
    if not outputs:
        raise TraceError(f"{type(module).__name__} gives a {type(result).__name__}; expected a tensor")
    return seen


def _seen(
    module: nn.Module, recorder: Recorder, given: tuple[Value, ...], outputs: tuple[Value, ...]
) -> Trace:
    named = [*modules(module)]  # with those that the forward has added
    weights = parameters(module, named)
    read = {
        value.number: Parameter(name, p.requires_grad)
        for name, p in weights.items()
        if (value := recorder.values.get(id(p)))
    }
    own = [*weights.values(), *buffers(module, named)]
    held = frozenset([value.storage for t in own if (value := recorder.values.get(id(t)))])
    return Trace(given, outputs, tuple(recorder.ops), tuple(recorder.calls), read, held, recorder.saves)

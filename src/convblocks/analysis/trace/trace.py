"""One forward pass of any module without data, written down as a list of ops.

The recorder stands between the module and torch. Ops whose output shape is a formula (shapes.py) are not
run at all; the rest run on the meta device, which computes shapes alone. The module itself is not changed:
its real weights are shown to an op as meta tensors of the same shape.
"""

import warnings
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from convblocks.analysis.trace.failure import (
    Failed,
    Retry,
    check_inputs,
    line_of,
    refusal,
    refusal_of_one,
)
from convblocks.analysis.trace.graph import Parameter, Trace, Value
from convblocks.analysis.trace.recorder import Recorder
from convblocks.analysis.trace.several_examples import SEVERAL
from convblocks.analysis.trace.values import META
from convblocks.analysis.trace.walk import buffers, modules, parameters, tensors
from convblocks.analysis.trace.watch import observing
from convblocks.errors import OptionError, TraceError
from convblocks.layout import Layout, parse_axes


def trace(
    module: nn.Module,
    *input_sizes: Sequence[int],
    dtypes: Sequence[torch.dtype] = (),
    batch: int = 1,
    axes: str | None = None,
) -> Trace:
    """Observe one forward pass in eval mode, without data and without touching the module's weights.

    input_sizes: (channels, *spatial) of each input, without the batch axis.
    dtypes: of each input, float32 where not given.
    batch: how many of each; it stands in every shape of the trace.
    axes: names of the first input's axes where channels are not first, as ``time,channels`` (see `parse_axes`).
    Raises TraceError if the forward fails, e.g. because the input is too small, OptionError for axes that do not fit.
    """
    result = attempt(module, *input_sizes, dtypes=dtypes, batch=batch, axes=axes)
    if isinstance(result, Failed):
        several: Trace | Failed = result
        if batch == 1:
            several = attempt(module, *input_sizes, dtypes=dtypes, batch=SEVERAL, axes=axes)
        if not isinstance(several, Failed):
            raise refusal_of_one(module, result, several) from result.__cause__
        inputs = meta_inputs(input_sizes, dtypes, batch, result.trace.layout)
        raise refusal(module, inputs, result, _retry(result)) from result.__cause__
    return result


def refusal_of_batch(module: nn.Module, x: torch.Tensor, error: Exception) -> TraceError | None:
    """Returns what `trace` says of a batch at which a forward raised `error`; None where a trace passes there."""
    result = attempt(module, tuple(x.shape[1:]), dtypes=[x.dtype])
    if not isinstance(result, Failed) or line_of(result.__cause__) != line_of(error):
        return None
    inputs = meta_inputs([x.shape[1:]], [x.dtype], 1)
    return refusal(module, inputs, result, _retry(result))


def attempt(
    module: nn.Module,
    *input_sizes: Sequence[int],
    dtypes: Sequence[torch.dtype] = (),
    batch: int = 1,
    axes: str | None = None,
) -> Trace | Failed:
    """Traces as `trace` does, but returns how a forward failed, with its ops until then, and raises nothing for it."""
    check_inputs(module, input_sizes, dtypes)
    layout = None if axes is None else parse_axes(axes, input_sizes[0])
    inputs = meta_inputs(input_sizes, dtypes, batch, layout)
    try:
        return _observed(module, inputs, axes, by_rule=True)
    except Failed:  # a formula gives contiguous tensors; a view may need the layout that the module requires
        pass
    try:
        return _observed(module, inputs, axes, by_rule=False)
    except Failed as failed:
        return failed


def retrace(
    traced: Trace,
    *input_sizes: Sequence[int],
    dtypes: Sequence[torch.dtype] = (),
    batch: int | None = None,
) -> Trace | Failed:
    """Attempts another forward of a traced module; whatever is not given is as it was traced.

    Args:
        traced: a trace, or the trace of a `Failed` forward.
        input_sizes: (channels, *spatial) of each input, without the batch axis.
        dtypes: of each input.
        batch: examples of each input.
    """
    return attempt(
        traced.module,
        *(input_sizes or traced.input_sizes),
        dtypes=dtypes or traced.dtypes,
        batch=batch or traced.batch,
        axes=traced.axes,
    )


def _retry(failed: Failed) -> Retry:
    return lambda sizes, others=(): retrace(failed.trace, *sizes, dtypes=others)


def meta_inputs(
    input_sizes: Sequence[Sequence[int]],
    dtypes: Sequence[torch.dtype],
    batch: int,
    layout: Layout | None = None,
) -> list[torch.Tensor]:
    """Returns inputs without data; the batch axis of the first one stands where the layout says."""
    kinds = [*dtypes, *[torch.float32] * (len(input_sizes) - len(dtypes))]
    shapes = [[batch, *size] for size in input_sizes]
    if layout is not None:
        shapes[0].insert(layout.batch, shapes[0].pop(0))
    try:
        return [torch.empty(*shape, dtype=d, device=META) for shape, d in zip(shapes, kinds, strict=True)]
    except RuntimeError as error:
        raise OptionError("batch", batch, "makes inputs of more bytes than torch can count") from error


def _observed(module: nn.Module, inputs: list[torch.Tensor], axes: str | None, *, by_rule: bool) -> Trace:
    recorder = Recorder(module, by_rule=by_rule)
    given = tuple([recorder.write(x) for x in inputs])
    try:
        with warnings.catch_warnings(), observing(recorder):
            warnings.simplefilter("ignore")  # those of a forward are for who runs it on data
            result = module(*inputs)
            outputs = tuple([recorder.read(t) for t in tensors(result)])
            with torch._C.DisableTorchFunction():
                # before parameters that the forward has added are taken away
                traced = _traced(recorder, given, outputs, axes)
    except Exception as error:  # a forward may raise anything
        for call in recorder.calls:
            call.stop = len(recorder.ops) if call.stop < 0 else call.stop
        given_to_op = tensors(recorder.running[1]) if recorder.running else ()
        operands = [recorder.read(t) for t in given_to_op if not is_lazy(t)]
        traced = _traced(recorder, given, tuple(operands), axes)
        raise Failed(recorder.path, recorder.running, traced) from error
    if not outputs:
        raise TraceError(f"{type(module).__name__} gives a {type(result).__name__}; expected a tensor")
    return traced


def _traced(
    recorder: Recorder, given: tuple[Value, ...], outputs: tuple[Value, ...], axes: str | None
) -> Trace:
    module = recorder.module
    named = [*modules(module)]  # with those that the forward has added
    weights = parameters(module, named)
    read = {
        value.number: Parameter(name, p.requires_grad)
        for name, p in weights.items()
        if (value := recorder.values.get(id(p)))
    }
    own = [*weights.values(), *buffers(module, named)]
    held = frozenset([value.storage for t in own if (value := recorder.values.get(id(t)))])
    return Trace(
        module=module,
        inputs=given,
        outputs=outputs,
        ops=tuple(recorder.ops),
        calls=tuple(recorder.calls),
        parameters=read,
        held=held,
        saves=recorder.saves,
        axes=axes,
    )

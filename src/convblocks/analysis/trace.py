"""One forward pass of any module without data, written down as a list of ops.

The recorder stands between the module and torch. Ops whose output shape is a formula (shapes.py) are not
run at all; the rest run on the meta device, which computes shapes alone. The module itself is not changed:
its real weights are shown to an op as meta tensors of the same shape.
"""

import warnings
from collections.abc import Sequence

import torch
from torch import nn

from convblocks.analysis.failure import Failed, check_inputs, refusal
from convblocks.analysis.graph import Call, Op, Parameter, Trace, Value
from convblocks.analysis.recorder import META, Recorder, buffers, observing, parameters, tensors
from convblocks.errors import TraceError


def trace(
    module: nn.Module, *input_sizes: Sequence[int], dtypes: Sequence[torch.dtype] = (), batch: int = 1
) -> Trace:
    """Observe one forward pass in eval mode, without data and without touching the module's weights.

    input_sizes: (channels, *spatial) of each input, without the batch axis.
    dtypes: of each input, float32 where not given.
    Raises TraceError if the forward fails, e.g. because the input is too small.
    """
    check_inputs(module, input_sizes, dtypes)
    kinds = [*dtypes, *[torch.float32] * (len(input_sizes) - len(dtypes))]
    inputs = [
        torch.empty(batch, *size, dtype=d, device=META) for size, d in zip(input_sizes, kinds, strict=True)
    ]
    try:
        return _observed(module, inputs, by_rule=True)
    except Failed:  # a formula gives contiguous tensors; a view may need the layout that the module asked for
        pass
    try:
        return _observed(module, inputs, by_rule=False)
    except Failed as failed:
        raise refusal(module, inputs, failed) from failed.__cause__


def _observed(module: nn.Module, inputs: list[torch.Tensor], *, by_rule: bool) -> Trace:
    recorder = Recorder(by_rule=by_rule)
    given = tuple([recorder.write(x) for x in inputs])
    try:
        with warnings.catch_warnings(), observing(module, recorder):
            warnings.simplefilter("ignore")  # those of a forward are for who runs it on data
            result = module(*inputs)
    except Exception as error:  # a forward may raise anything
        raise Failed(recorder.path, recorder.running) from error
    outputs = tuple([recorder.read(t) for t in tensors(result)])
    if not outputs:
        raise TraceError(f"{type(module).__name__} gives a {type(result).__name__}; expected a tensor")
    weights = parameters(module)
    read = {
        value.number: Parameter(name, p.requires_grad)
        for name, p in weights.items()
        if (value := recorder.values.get(id(p)))
    }
    own = [*weights.values(), *buffers(module)]
    held = frozenset([value.storage for t in own if (value := recorder.values.get(id(t)))])
    return Trace(given, outputs, tuple(recorder.ops), tuple(recorder.calls), read, held)


__all__ = ["Call", "Op", "Parameter", "Trace", "Value", "trace"]

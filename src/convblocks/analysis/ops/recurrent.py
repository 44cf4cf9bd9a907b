"""Recurrent layers: LSTM, GRU and plain ones, all of their layers and steps in one call."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from convblocks.analysis.fields.axes import Axis, State
from convblocks.analysis.ops.op import UNKNOWN, Op, add, plain_name
from convblocks.analysis.ops.shared_rules import each_input, mixed_over
from convblocks.analysis.trace.graph import OpCall, Shape, Value

RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu"})


def _shape(x: torch.Tensor, state: Any, weights: Any, *options: Any) -> list[Shape] | None:
    """Formula in place of the meta kernel, which walks through all steps; state is (h, c) of an LSTM, h of a GRU."""
    if x.ndim != 3 or x.shape[-1] != weights[0].shape[-1]:
        return None  # packed sequences have two axes
    states = (state,) if isinstance(state, torch.Tensor) else state
    *_, bidirectional, _batch_first = options
    width = states[0].shape[-1] * (2 if bidirectional else 1)
    return [(*x.shape[:2], width), *(tuple(each.shape) for each in states)]


def _macs(call: OpCall) -> int:
    """Counts every weight matrix of every layer once for each step; biases have one axis, weights two."""
    return prod(call.inputs[0].shape[:-1]) * sum(matrix.elements for matrix in _matrices(call))


def _matrices(call: OpCall) -> list[Value]:
    """Returns weight_ih, weight_hh and, of a projection, weight_hr, layer by layer and way by way."""
    return [value for value in call.args[_place(call)] if len(value.shape) == 2]


def _place(call: OpCall) -> int:
    """Returns where the weights stand: (input, states, weights, …), or (input, batch_sizes, states, …) where packed."""
    return 3 if isinstance(call.args[3], tuple) else 2


def _gradient_macs(call: OpCall, maps: Sequence[Value], weights: Sequence[Value]) -> tuple[int, int]:
    """Counts backpropagation through time (Werbos 1990): the error goes back through weight_hh at each step but one.

    At the first step too where the first state learns; and through weight_ih of the lowest layer where the input does.
    """
    place, matrices = _place(call), _matrices(call)
    states = call.args[place - 1]
    first = states[0] if isinstance(states, tuple) else states  # h of an LSTM's h and c
    learning = {value.number for value in (*maps, *weights)}
    rows = prod(call.inputs[0].shape[:-1])
    steps = rows if first.number in learning else rows - first.shape[-2]
    group = len(matrices) // first.shape[0]  # matrices of one layer one way
    lowest = len(matrices) // call.args[place + 2]
    back = 0
    for i, matrix in enumerate(matrices):
        if i % group == 1:
            back += steps * matrix.elements
        elif i % group == 2 or i >= lowest or call.inputs[0].number in learning:
            back += rows * matrix.elements
    return rows * sum(m.elements for m in matrices if m.number in learning), back


def _field(call: OpCall, axis: Axis, value: Value, _out: Value) -> State:
    """Each step depends on the others of its sequence; forward alone, on those before it, which is said to be all."""
    return mixed_over(axis, (1, 2) if call["batch_first"] else (0, 2), value, stays=True)


add(Op(
    names=tuple(sorted(RECURRENT)),
    arguments="input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first=False",
    shape=dict.fromkeys((torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu), _shape),
    macs=_macs,
    gradient_macs=_gradient_macs,
    field=each_input(_field),
    saved=UNKNOWN,
    workspace=None,
    label=plain_name,
))  # fmt: skip

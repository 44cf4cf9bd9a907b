"""Recurrent layers as one op each: shapes and MACs, forward and back through time."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from convblocks import analyze
from convblocks.analysis import trace
from tests.analysis.one_op import FORMULAS

RECURRENT = {torch.lstm: nn.LSTM, torch.gru: nn.GRU, torch.rnn_tanh: nn.RNN}
RECURRENT[torch.rnn_relu] = lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(
    ("func", "options"),
    [
        (torch.lstm, {"proj_size": 3}),
        *(
            (f, o)
            for f in RECURRENT
            for o in ({}, {"num_layers": 3, "bidirectional": True, "batch_first": True})
        ),
    ],
)
def test_recurrent_networks_are_not_walked_through(func, options):
    net = RECURRENT[func](4, 6, **options)
    seen = trace(net, (5, 4))
    given, states = net(torch.zeros(1, 5, 4))
    states = states if isinstance(states, tuple) else (states,)
    op = next(op for op in seen.ops if op.name == func.__name__)
    assert [value.shape for value in op.outputs] == [given.shape, *(each.shape for each in states)]
    (counted,) = (layer.macs for layer in analyze(net, (5, 4)).layers if layer.macs)
    assert counted == 5 * sum(p.numel() for p in net.parameters() if p.ndim == 2)


def test_packed_sequences_are_left_to_torch():
    data, sizes = torch.zeros(7, 4), torch.tensor([3, 2, 2])
    state = torch.zeros(1, 3, 6)
    assert FORMULAS[torch.lstm](data, sizes, (state, state), [], True, 1, 0.0, False, False) is None
    assert FORMULAS[torch.gru](data, sizes, state, [], True, 1, 0.0, False, False) is None


class Recurrent(nn.Module):
    """A recurrent layer on what learns or on the input itself, from a state that learns or from zeros."""

    def __init__(self, make, below, state):
        super().__init__()
        self.below = nn.Linear(6, 6) if below else nn.Identity()
        self.recurrent = make(6, 4, batch_first=True)
        ways = self.recurrent.num_layers * (2 if self.recurrent.bidirectional else 1)
        self.state = nn.Parameter(torch.rand(ways, 1, self.recurrent.proj_size or 4)) if state else None
        self.register_buffer("cell", torch.zeros(ways, 1, 4))

    def forward(self, x):
        state = self.state
        if state is not None and isinstance(self.recurrent, nn.LSTM):
            state = state, self.cell
        return self.recurrent(self.below(x), state)[0]


@pytest.mark.filterwarnings("ignore:TF32 acceleration")  # spoken of whenever oneDNN is switched
@pytest.mark.parametrize("kind", [nn.GRU, nn.RNN, nn.LSTM, partial(nn.LSTM, proj_size=3)])
@pytest.mark.parametrize(("below", "state"), [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize(("layers", "both_ways"), [(1, False), (2, False), (1, True), (3, True)])
def test_backpropagation_through_time_costs_what_pytorch_counts(kind, layers, both_ways, below, state):
    net = Recurrent(partial(kind, num_layers=layers, bidirectional=both_ways), below, state)
    found = analyze(net, (5, 6))
    with (
        torch.backends.mkldnn.flags(enabled=False),
        FlopCounterMode(display=False) as counter,
    ):  # it fuses an LSTM
        net(torch.rand(1, 5, 6)).sum().backward()
    assert (
        found.macs + found.macs_weight_gradient + found.macs_input_gradient == counter.get_total_flops() // 2
    )

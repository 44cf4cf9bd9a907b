"""The recorder: shapes against the meta kernels, modules left as they were, whatever they do."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.checkpoint import checkpoint

from convblocks import analyze
from convblocks.analysis import trace
from convblocks.analysis.ops import OPS
from convblocks.errors import TraceError
from tests.networks.test_network_spec import network

FORMULAS = {function: rule for op in OPS.values() for function, rule in (op.shape or {}).items()}


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_convolution_formula_is_the_meta_kernel_s(data):
    dims = data.draw(st.integers(1, 3))
    groups, per_group, outputs = (data.draw(st.integers(1, 3)) for _ in range(3))
    sizes = data.draw(st.tuples(*[st.integers(1, 12)] * dims))
    kernel = data.draw(st.tuples(*[st.integers(1, 4)] * dims))
    whole_or_each = st.integers(1, 3) | st.tuples(*[st.integers(1, 3)] * dims)
    stride, dilation = data.draw(whole_or_each), data.draw(whole_or_each)
    padding = data.draw(st.integers(0, 3) | st.tuples(*[st.integers(0, 3)] * dims))
    convolve = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}[dims]
    x = torch.empty(2, groups * per_group, *sizes, device="meta")
    weight = torch.empty(groups * outputs, per_group, *kernel, device="meta")
    arguments = (x, weight, None, stride, padding, dilation, groups)
    try:
        expected = tuple(convolve(*arguments).shape)
    except RuntimeError:
        expected = None
    found = FORMULAS[convolve](*arguments)
    assert found == expected


def test_padding_in_words_is_left_to_torch():
    x, weight = torch.empty(1, 2, 9, device="meta"), torch.empty(2, 2, 3, device="meta")
    assert FORMULAS[torch.conv1d](x, weight, None, 1, "same") is None


CALLS = {
    F.linear: lambda x: (x, torch.empty(5, x.shape[-1], device="meta")),
    F.batch_norm: lambda x: (x, torch.empty(x.shape[1]), torch.empty(x.shape[1])),
    F.layer_norm: lambda x: (x, x.shape[-1:]),
    F.group_norm: lambda x: (x, 1),
}


OTHERS = {  # arguments after the first, of a map (2, 3, 7, 6)
    torch.Tensor.add: [(1,), (torch.ones(2, 3, 7, 6),), (torch.ones(3, 1, 1),), (torch.ones(4, 2, 1, 7, 6),)],
    torch.Tensor.mul: [(0.5,), (torch.ones(6),), (torch.ones(2, 3, 1, 1),)],
    torch.Tensor.add_: [(1,), (torch.ones(7, 1),)],
    torch.Tensor.mul_: [(2.0,), (torch.ones(2, 1, 7, 6),)],
    torch.Tensor.mean: [(1,), ((2, 3),), ((-1, -2), True), ([0],)],
    torch.mean: [(3, True), ((1, 2),)],
    F.adaptive_avg_pool2d: [(1,), ((2, None),), ((7, 3),)],
    F.scaled_dot_product_attention: [(torch.ones(2, 3, 5, 6), torch.ones(2, 3, 5, 6))],
    torch.fake_quantize_per_tensor_affine: [(1.0, 0, 0, 255)],
    torch.fake_quantize_per_channel_affine: [(torch.ones(3), torch.zeros(3), 1, 0, 255)],
    F.max_pool2d: [(2,), (3, 2), (3, 2, 1), ((3, 2), (1, 2), (0, 1)), (2, 1, 0, 2)],
}
RECURRENT = {torch.lstm: nn.LSTM, torch.gru: nn.GRU, torch.rnn_tanh: nn.RNN}
RECURRENT[torch.rnn_relu] = lambda *sizes, **options: nn.RNN(*sizes, nonlinearity="relu", **options)
SIMPLE = [f for f in FORMULAS if f not in OTHERS and f not in RECURRENT and "conv" not in f.__name__]


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


@pytest.mark.parametrize(
    ("func", "arguments"), [(f, arguments) for f, calls in OTHERS.items() for arguments in calls]
)
def test_formulas_of_several_arguments_are_the_real_op_s(func, arguments):
    x = torch.rand(2, 3, 7, 6)
    assert FORMULAS[func](x, *arguments) == func(x.clone(), *arguments).shape


@pytest.mark.parametrize(
    ("func", "x", "arguments", "options"),
    [
        (torch.Tensor.add, torch.ones(3), (torch.ones(3).double(),), {}),
        (torch.Tensor.add, torch.ones(3), (torch.ones(2),), {}),
        (torch.Tensor.add, torch.ones(3).long(), (0.5,), {}),
        (torch.Tensor.add, torch.ones(3), (torch.ones(3),), {"alpha": 1j}),
        (torch.mean, torch.ones(3).long(), (0,), {}),
        (torch.mean, torch.ones(3), (1,), {}),
        (torch.mean, torch.ones(3, 3), ((0, 0),), {}),
        (F.max_pool2d, torch.ones(1, 1, 7, 7), (2, 2, 0, 1, True), {}),
        (F.max_pool2d, torch.ones(1, 1, 2, 2), (3,), {}),
        (F.max_pool2d, torch.ones(1, 1, 7, 7), (2, 1, 2), {}),
    ],
)
def test_what_a_formula_does_not_cover_is_left_to_torch(func, x, arguments, options):
    assert FORMULAS[func](x, *arguments, **options) is None


def test_what_is_done_in_place_keeps_its_shape_or_is_refused():
    class InPlace(nn.Module):
        def forward(self, x):
            return x.mean((2, 3), keepdim=True).add_(x)

    with pytest.raises(TraceError, match="add_"):
        trace(InPlace(), (3, 8, 8))


@pytest.mark.parametrize("func", SIMPLE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 3, 4, 5), (2, 3, 1, 1, 1)])
def test_every_other_formula_is_the_real_op_s(func, shape):
    x = torch.randn(shape)
    arguments = CALLS.get(func, lambda x: (x,))(x)
    real = [
        torch.randn(a.shape).abs() if isinstance(a, torch.Tensor) and a is not x else a for a in arguments
    ]
    assert FORMULAS[func](*real) == func(*real).shape


def test_a_linear_layer_that_does_not_fit_is_left_to_torch_to_refuse():
    with pytest.raises(
        TraceError, match=r"Linear cannot take an input of 3 in linear\(1×3, 2×4, 2\): a and b must"
    ):
        trace(nn.Linear(4, 2), (3,))


def test_real_weights_are_neither_moved_nor_changed():
    net = network().build().train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    seen = trace(net, (3, 8, 8))
    assert seen.output.shape == (1, 5)
    assert net.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    with torch.device("meta"):
        on_meta = network().build()
    assert [op.name for op in trace(on_meta, (3, 8, 8)).ops] == [op.name for op in seen.ops]


def test_ops_know_the_module_they_were_called_in():
    seen = trace(network().build(), (3, 8, 8))
    paths = [op.path for op in seen.ops if op.name == "conv2d"]
    assert paths[:3] == ["stem.conv", "stages.0.0.main.0.conv", "stages.0.0.main.1.conv"]
    assert {op.path for op in seen.ops if op.name == "__add__" or op.name == "add"} >= {
        "stages.0.0",
        "stages.1.0",
    }


class Awkward(nn.Module):
    """A constant made on the way, a submodule used twice, dicts, in-place work, a branch on a shape."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.register_buffer("scale", torch.tensor([2.0]))

    def forward(self, x, weight=None):
        ramp = torch.arange(x.shape[-1]).float()
        x = self.conv(self.conv(x)) * self.scale + ramp
        x[:, :1] += 1
        parts = {"a": x, "b": x.relu_()}
        if x.shape[-1] > 4 and weight is not None:
            parts["b"] = parts["b"] * weight
        return parts


def test_modules_of_all_kinds_are_traced():
    seen = trace(Awkward(), (2, 8, 8), (1, 8, 8))
    assert [op.path for op in seen.ops if op.name == "conv2d"] == ["conv", "conv"]
    assert len(seen.inputs) == 2
    assert len(seen.outputs) == 2
    reads = [value for op in seen.ops for value in op.inputs]
    assert any(value.number == seen.inputs[1].number for value in reads)


def test_an_integer_input():
    seen = trace(nn.Embedding(10, 4), (7,), dtypes=[torch.int64])
    assert seen.output.shape == (1, 7, 4)


CALL = nn.Module.__call__


@pytest.mark.parametrize(
    ("sizes", "dtypes", "message"),
    [
        ([], [], "ReLU: no input size given"),
        ([(3, 0, 4)], [], r"got the input size \(3, 0, 4\); expected whole numbers above 0"),
        ([(3,)], [torch.int64] * 2, "got 2 dtypes for 1 inputs"),
    ],
)
def test_inputs_that_cannot_be_are_refused(sizes, dtypes, message):
    with pytest.raises(TraceError, match=message):
        trace(nn.ReLU(), *sizes, dtypes=dtypes)


class Chooses(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            Chooses(),
            r"Chooses cannot take an input of 3×4×4 in __bool__.* \(test_trace.py, line \d+\): .*; the forward",
        ),
        (nn.Bilinear(2, 2, 2), r"3×4×4: its forward takes 2 inputs \(input1, input2\), got 1; give a size"),
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)),
            r"at 1 in conv2d\(1×4×2×2, .*; give a larger",
        ),
        (nn.Embedding(9, 4), r"in embedding.*; give each input's dtype"),
        (nn.LazyConv2d(4, 3), "LazyConv2d: it has no weights before its first forward; run the module once"),
        (nn.ReLU, "got a type; expected an nn.Module"),
    ],
)
def test_what_cannot_be_traced_is_one_line_and_leaves_no_hook(module, message):
    with pytest.raises(TraceError, match=message) as caught:
        trace(module, (3, 4, 4))
    assert "\n" not in str(caught.value)
    assert nn.Module.__call__ is CALL


def test_what_is_no_tensor_is_refused():
    class Counts(nn.Module):
        def forward(self, x):
            return x.shape[0]

    with pytest.raises(TraceError, match="Counts gives a int; expected a tensor"):
        trace(Counts(), (3,))


class Checkpointed(nn.Module):
    def __init__(self, *, reentrant):
        super().__init__()
        self.first, self.second, self.reentrant = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1), reentrant

    def forward(self, x):
        x = checkpoint(self.first, x, use_reentrant=self.reentrant)
        return checkpoint(self.second, x, use_reentrant=self.reentrant).relu()


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_segments_are_numbered(reentrant):
    seen = trace(Checkpointed(reentrant=reentrant), (2, 4, 4))
    assert [(op.name, op.checkpoint) for op in seen.ops] == [("conv2d", 1), ("conv2d", 2), ("relu", 0)]
    assert [(c.path, c.parent, c.start, c.stop, c.leaf) for c in seen.calls] == [
        ("", -1, 0, 3, False),
        ("first", 0, 0, 1, True),
        ("second", 0, 1, 2, True),
    ]


def test_views_and_in_place_work_share_a_storage():
    class Net(nn.Module):
        def forward(self, x):
            y = x + 1
            y[:, :1].mul_(2)
            return torch.relu_(y).flatten(1) * y.T.sum()

    ops = {op.name: op for op in trace(Net(), (2, 4)).ops}
    home = ops["add"].outputs[0].storage
    assert {name for name, op in ops.items() if op.outputs[0].storage == home} == {
        "add", "__getitem__", "mul_", "relu_", "flatten", "T"
    }  # fmt: skip
    assert {name for name, op in ops.items() if op.in_place} == {"mul_", "relu_"}

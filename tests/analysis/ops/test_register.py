"""Ops of users' own: what an entry tells, against hooks of autograd, NaN propagation and counts by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import convblocks
from convblocks import analyze, register_op
from convblocks.analysis import Window, trace
from convblocks.analysis.memory.saved import saved_for_backward
from convblocks.analysis.ops import OPS
from convblocks.drawing.draw import outline
from convblocks.errors import OptionError
from tests.analysis.memory.hooks import check


class Distances(torch.autograd.Function):
    """The distance of each window, 3 wide and 2 apart, from each of K prototypes."""

    @staticmethod
    def forward(ctx, x, weight):
        windows = F.unfold(x, 3, padding=1, stride=2).transpose(1, 2)
        distances = torch.cdist(windows, weight.flatten(1)).transpose(1, 2)
        ctx.save_for_backward(x, weight, distances)
        return distances.unflatten(2, [n // 2 for n in x.shape[2:]])

    @staticmethod
    def backward(ctx, gradient):
        raise NotImplementedError


class NoMeta(Distances):
    """As a kernel that does not run without data."""

    @staticmethod
    def forward(ctx, x, weight):
        assert float(x.sum()) < 1e9
        return Distances.forward(ctx, x, weight)


class Net(nn.Module):
    def __init__(self, function=Distances):
        super().__init__()
        self.function = function
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.weight = nn.Parameter(torch.randn(6, 4, 3, 3))

    def forward(self, x):
        return self.function.apply(self.first(x), self.weight).relu()


RULES = {
    "macs": lambda call: call.outputs[0].elements * 9 * call["x"].shape[1],
    "field": lambda call, axis: Window(3, 2, 1, 1),
    "saved": lambda call, needs: (call["x"], call["weight"], call.outputs[0]),
    "label": "distances",
}


@pytest.fixture(autouse=True)
def unregistered():
    """Takes away afterwards what a test has registered."""
    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)


def test_a_custom_autograd_function_is_unknown_and_then_one_op():
    before = analyze(Net(), (3, 12, 12))
    assert before.unknown_ops == ("cdist",)
    assert before.lower_bounds
    register_op(Distances, "x, weight", **RULES)
    after = analyze(Net(), (3, 12, 12))
    assert (after.unknown_ops, after.unsaved_ops) == ((), ())
    assert after.macs == 12 * 12 * 4 * 27 + 6 * 6 * 6 * 36
    assert after.macs_weight_gradient == after.macs
    assert [layer.type for layer in after.layers] == ["Conv2d", "Distances", "relu"]
    assert [box.text for box in outline(Net(), (3, 12, 12)).boxes][2] == "distances"


def test_its_field_is_what_nan_reaches():
    register_op(Distances, "x, weight", **RULES)
    step, lo, hi = analyze(Net(), (3, 24, 24)).receptive_field[0]
    x = torch.randn(1, 3, 24, 24)
    x[:, :, 11] = float("nan")
    with torch.no_grad():
        rows = Net()(x).isnan()[0, 0, :, 0].nonzero().flatten().tolist()
    assert rows == [i for i in range(12) if step * i + lo <= 11 <= step * i + hi]


def test_it_keeps_what_hooks_of_autograd_see():
    register_op(Distances, "x, weight", **RULES)
    check(Net(), (3, 12, 12))


def test_a_formula_stands_for_a_forward_that_does_not_run_without_data():
    with pytest.raises(convblocks.ConvblocksError):
        analyze(Net(NoMeta), (3, 12, 12))
    register_op(
        NoMeta,
        "x, weight",
        shape=lambda x, weight: (len(x), len(weight), *[n // 2 for n in x.shape[2:]]),
        **RULES,
    )
    assert analyze(Net(NoMeta), (3, 12, 12)).layers[1].output_shape == (1, 6, 6, 6)


class Ladder(nn.Module):
    def forward(self, x):
        return torch.special.bessel_j0(x).cummax(2).values


@pytest.mark.parametrize(("field", "expected"), [("same position", (1, 0, 0)), ("whole map", "all")])
def test_functions_of_torch_go_by_name(field, expected):
    assert analyze(Ladder(), (3, 8, 8)).unknown_ops == ("cummax", "special_bessel_j0")
    register_op("special_bessel_j0", field=field, label="J₀")
    register_op("cummax", "input, dim", field="same position")
    found = analyze(Ladder(), (3, 8, 8))
    assert found.unknown_ops == ()
    assert found.receptive_field == (expected, expected)
    assert "J₀" in str(outline(Ladder(), (3, 8, 8)).boxes)


def test_without_a_rule_a_figure_stays_unknown():
    register_op("special_bessel_j0")
    net = nn.Sequential(nn.Conv2d(3, 3, 1), Ladder())
    register_op("cummax", "input, dim", field="same position")
    found = analyze(net, (3, 8, 8))
    assert found.receptive_field == (None, None)
    assert [name for name, _ in saved_for_backward(trace(net, (3, 8, 8))).unknown] == [
        "special_bessel_j0",
        "cummax",
    ]


def test_a_second_entry_takes_the_first_one_s_place():
    register_op("cummax", "input, dim", macs=lambda call: 1)
    register_op("cummax", "input, dim", macs=lambda call: 2)
    assert analyze(Ladder(), (3, 8, 8)).macs == 2


@pytest.mark.parametrize(
    ("op", "options", "name"),
    [
        ("relu", {}, "op"),
        ("cummax", {"arguments": "input: int"}, "arguments"),
        ("cummax", {"arguments": "input, other=f()"}, "arguments"),
        ("cummax", {"field": "everywhere"}, "field"),
        ("cummax", {"shape": lambda x: x.shape}, "shape"),
    ],
)
def test_what_cannot_be_an_entry_is_refused(op, options, name):
    with pytest.raises(OptionError) as refusal:
        register_op(op, **options)
    assert refusal.value.option == name
    assert "cummax" not in OPS


@pytest.mark.parametrize("op", [3, None, (), "", [1], nn.ReLU])
def test_what_is_no_op_is_refused(op):
    with pytest.raises(OptionError, match="expected a name, several names"):
        register_op(op)

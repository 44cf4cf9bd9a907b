"""Entries of ops against torch: the names that torch reports, and the shapes that its functions give."""

import pytest
import torch
from torch.nn import functional as F

from convblocks.analysis.ops import OPS, POINTWISE
from tests.analysis.one_op import FORMULAS

PLACES = torch, torch.Tensor, F, torch.special, torch.linalg


def reported():
    """What torch's functions call themselves when they are intercepted; properties by their own name."""
    found = set()
    for place in PLACES:
        for name, each in vars(place).items():
            found.add(getattr(each, "__name__", name))
        for name in dir(place):
            found.add(getattr(getattr(place, name, None), "__name__", name))
    return found


def test_every_name_of_the_tables_is_one_that_torch_reports():
    names = reported() | {"alias"}  # as TorchScript calls it
    operators = {name for name in OPS if name.startswith("__")}
    plain = {name.removesuffix("_") if name in POINTWISE else name for name in OPS.keys() - operators}
    assert sorted(plain - names) == []
    forms = {name: {f"__{side}{name.strip('_')}__" for side in ("", "r", "i")} for name in operators}
    sided = {name: {f"__{side}{name.strip('_')[1:]}__" for side in ("", "r", "i")} for name in operators}
    assert [n for n in operators if names.isdisjoint({n, n.strip("_")} | forms[n] | sided[n])] == []


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


RECURRENT = torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu
SIMPLE = [f for f in FORMULAS if f not in OTHERS and f not in RECURRENT and "conv" not in f.__name__]


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


@pytest.mark.parametrize("func", SIMPLE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 3, 4, 5), (2, 3, 1, 1, 1)])
def test_every_other_formula_is_the_real_op_s(func, shape):
    x = torch.randn(shape)
    arguments = CALLS.get(func, lambda x: (x,))(x)
    real = [
        torch.randn(a.shape).abs() if isinstance(a, torch.Tensor) and a is not x else a for a in arguments
    ]
    assert FORMULAS[func](*real) == func(*real).shape

"""Functions of one tensor: input, result, mask or nothing is kept."""

import pytest
import torch
import torch.nn.functional as F

from tests.analysis.one_op import check_field, check_kept

KEEPS = {
    "roots": lambda x: x.abs().sqrt().rsqrt().exp().log(),
    "relu before and after": lambda x: F.relu(x + 1) + x.relu_(),
    "in place by position": lambda x: F.hardswish(F.hardsigmoid(x + 1, True) + 1, True),
    "in place by position, seen through the old name": lambda x: (lambda y: F.relu(y, True) + F.silu(y))(x + 1),
    "silu in place": lambda x: F.silu(F.silu(x, inplace=True) + 1, inplace=True),
    "others": lambda x: F.softplus(F.elu(x)) + F.selu(x) + F.softsign(x) + F.relu6(x) + F.hardtanh(x, -1, 1),
    "functions": lambda x: x.sinh() + x.asin() + torch.erfc(x) + x.exp2() + x.tan() + abs(x) + F.logsigmoid(x),
    "absolute": lambda x: x.absolute() + torch.var_mean(x, 1, keepdim=True)[0],
    "functions in place": lambda x: (x + 1).sin_().mul_(2.0).erf_().reciprocal_().square_() + torch.fmax(x, x + 1),
    "remainders of numbers": lambda x: x.frac() + x.trunc() + x.round() + x.floor() + x.ceil() + x.sign(),
}  # fmt: skip


@pytest.mark.parametrize("name", KEEPS)
def test_what_an_op_keeps(name):
    check_kept(KEEPS[name])


FIELDS = {
    "log sigmoid": lambda x: F.logsigmoid(+x),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_an_op_is_known_and_moves_a_field_as_nan_shows(name):
    check_field(FIELDS[name])

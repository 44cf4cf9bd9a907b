"""Ops between what a trace follows and real constants of any rank have the shapes that torch gives."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import analyze
from convblocks.analysis import trace
from convblocks.errors import TraceError

OF_TWO = (
    torch.add, torch.sub, torch.mul, torch.div, torch.floor_divide, torch.remainder, torch.fmod, torch.pow,
    torch.maximum, torch.minimum, torch.fmax, torch.atan2, torch.hypot, torch.copysign, torch.heaviside,
    torch.logaddexp, torch.float_power, torch.xlogy, torch.eq, torch.lt, torch.logical_and, torch.isclose,
    torch.rsub, torch.ldexp, torch.inner, torch.kron, torch.dist, torch.bucketize, torch.isin, torch.matmul,
    torch.cosine_similarity,
)  # fmt: skip
CONSTANTS = {
    "number": torch.tensor(2.0),
    "integer": torch.tensor(2),
    "one": torch.tensor([2.0]),
    "row": torch.tensor([1.0, 2.0, 3.0, 4.0]),
    "column": torch.tensor([[1.0], [2.0], [3.0]]),
}


def _assigned(x, index, value):
    x[index] = value
    return x


CALLS = {
    **{f.__name__: f for f in OF_TWO},
    **{f"{f.__name__} from the right": lambda x, c, f=f: f(c, x) for f in OF_TWO},
    "masked_fill": lambda x, c: x.masked_fill(x > 0, c),
    "masked_fill_": lambda x, c: x.clone().masked_fill_(x > 0, c),
    "masked_fill by a constant mask": lambda x, c: torch.masked_fill(x, c > 0, c),
    "where": lambda x, c: torch.where(x > 0, x, c),
    "where not": lambda x, c: torch.where(x > 0, c, x),
    "where of a constant": lambda x, c: torch.where(c > 0, x, c),
    "Tensor.where": lambda x, c: x.where(x > 0, c),
    "mse_loss": F.mse_loss,
    "l1_loss": F.l1_loss,
    "huber_loss": lambda x, c: F.huber_loss(x, c, reduction="none"),
    "smooth_l1_loss": F.smooth_l1_loss,
    "kl_div": lambda x, c: F.kl_div(x, c, reduction="sum"),
    "clamp": lambda x, c: x.clamp(min=c, max=c),
    "lerp": lambda x, c: torch.lerp(x, x, c),
    "addcmul": lambda x, c: torch.addcmul(c, x, x),
    "einsum": lambda x, c: torch.einsum("bcd,...->bcd...", x, c),
    "stack": lambda x, c: torch.stack([x.mean(), c.float().mean()]),
    "meshgrid": lambda x, c: torch.meshgrid(x.flatten(), c, indexing="ij")[0],
    "quantile": lambda x, c: torch.quantile(x, c.abs() / 5, dim=1),
    "prelu": lambda x, c: F.prelu(x, c),
    "operators": lambda x, c: (c - x) / (1 + c**x) % 3 * -c,
    "in place": lambda x, c: x.clone().add_(c).mul_(c),
    "half": lambda x, c: x.half() * c,
    "integers": lambda x, c: x.long() * c,
    "assignment": lambda x, c: _assigned(x.clone(), (..., slice(None)), c),
    "assignment by a mask": lambda x, c: _assigned(x.clone(), x > 0, c.float().mean()),
    "index_fill": lambda x, c: x.index_fill(1, torch.tensor([0]), c.float().mean()),
    "index_put": lambda x, c: x.index_put((torch.tensor([0]),), c),
}


class Net(nn.Module):
    def __init__(self, act, constant=None):
        super().__init__()
        self.act, self.constant = act, constant

    def forward(self, x):
        return self.act(x) if self.constant is None else self.act(x, self.constant)


@pytest.mark.parametrize("constant", CONSTANTS)
def test_as_torch_gives_them(constant):
    """Compared with the op on real tensors; what torch itself refuses is refused."""
    compared, differ = 0, {}
    for name, act in CALLS.items():
        net, x = Net(act, CONSTANTS[constant]), torch.rand(1, 3, 4)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                real = net(x)
            except (RuntimeError, IndexError):
                continue
        try:
            traced = trace(net, (3, 4)).outputs[0]
        except TraceError as error:
            differ[name] = str(error)
            continue
        compared += 1
        if (traced.shape, traced.dtype) != (tuple(real.shape), real.dtype):
            differ[name] = traced.shape, traced.dtype, real.shape, real.dtype
    assert not differ
    assert compared > 60


MASK = torch.tensor([True, False, True])
OF_SHAPES = {
    "mask": lambda x: x[:, MASK],
    "mask of two axes": lambda x: x[:, torch.eye(3, 4) > 0],
    "mask beside a list": lambda x: x[0, MASK, [1, 2]],
    "mask after dots": lambda x: x.transpose(1, 2)[..., MASK],
    "whole mask": lambda x: x[torch.ones(1, 3, 4, dtype=torch.bool)],
    "mask of an array": lambda x: x[:, np.array([False, True, True])],
    "positions": lambda x: x[:, torch.tensor([2, 0])],
    "position": lambda x: x[:, torch.tensor(2)],
    "repeats": lambda x: x.repeat_interleave(torch.tensor([2, 0, 3]), dim=1),
    "one number of repeats": lambda x: torch.repeat_interleave(x, repeats=torch.tensor(2), dim=2),
    "repeats of one": lambda x: torch.repeat_interleave(x, torch.tensor([2]), dim=1),
    "assigned": lambda x: _assigned(x.clone(), (slice(None), MASK), torch.ones(2, 4)),
}


@pytest.mark.parametrize("act", OF_SHAPES)
def test_constants_whose_values_decide_a_shape(act):
    net = Net(OF_SHAPES[act])
    assert trace(net, (3, 4)).outputs[0].shape == tuple(net(torch.rand(1, 3, 4)).shape)


def test_a_mask_of_the_traced_values_has_no_known_shape():
    with pytest.raises(TraceError, match="asks for a tensor's values"):
        analyze(Net(lambda x: x[x > 0]), (3, 4))

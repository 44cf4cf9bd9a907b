"""The tables of names against torch: a name that torch never reports is a rule that never holds."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from convblocks import analyze
from convblocks.analysis import receptive_field, trace
from convblocks.analysis.ops import OPS, POINTWISE

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


class _Do(nn.Module):
    def __init__(self, work):
        super().__init__()
        self.work = work

    def forward(self, x):
        return self.work(x)


CALLS = {
    "glu of channels": lambda x: F.glu(x, 1),
    "glu of the map": lambda x: F.glu(x),
    "glu in windows": lambda x: F.glu(x.unflatten(2, (4, 6))).flatten(2),
    "local response norm": lambda x: F.local_response_norm(x, 3),
    "local response norm of the map": lambda x: F.local_response_norm(x.transpose(1, 2), 4).transpose(1, 2),
    "power pool": lambda x: F.lp_pool1d(x, 2, 3, 2),
    "power pool of its own stride": lambda x: F.lp_pool1d(x, norm_type=2, kernel_size=3),
    "max pool with indices": lambda x: F.max_pool1d(x, 3, 1, 1, return_indices=True)[0],
    "adaptive max pool with indices": lambda x: F.adaptive_max_pool1d(x, 12, return_indices=True)[0],
    "difference": lambda x: torch.diff(x),
    "third difference": lambda x: x.diff(3, 2),
    "difference of channels": lambda x: x.diff(dim=1),
    "vector norm": lambda x: torch.linalg.vector_norm(x, dim=1),
    "vector norm of the map": lambda x: torch.linalg.vector_norm(x, dim=2, keepdim=True),
    "median": lambda x: x.median(1).values.unsqueeze(1),
    "one by it": lambda x: 1 / x.exp(),
    "log sigmoid": lambda x: F.logsigmoid(+x),
    "moved": lambda x: torch.concatenate([torch.moveaxis(x, 1, 2).mT, x.swapdims(1, 2).mT], 1),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_op_is_known_and_moves_a_field_as_nan_shows(name):
    module, n = _Do(CALLS[name]), 24
    assert analyze(module, (4, n)).unknown_ops == ()
    (field,) = receptive_field(trace(module, (4, n)))
    columns = []
    for i in range(n):
        x = torch.randn(1, 4, n)
        x[..., i] = float("nan")
        spoiled = module(x).isnan()
        columns.append(spoiled.flatten(0, -2).any(0))
    assert field is not None
    step, lo, hi = (0, 0, n - 1) if field == "all" else field
    ends = set()
    for i, row in enumerate(torch.stack(columns, 1)):
        seen = row.nonzero().flatten().tolist()
        first, last = step * i + lo, step * i + hi
        assert first <= seen[0]
        assert seen[-1] <= last
        if first >= 0 and last < n:
            ends |= {("lo", seen[0] == first), ("hi", seen[-1] == last)}
    assert {("lo", True), ("hi", True)} <= ends

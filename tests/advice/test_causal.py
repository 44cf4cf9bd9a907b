"""CB202 and CB205 of networks that look back only, and of their twins that do not."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convblocks import advise
from tests.advice.test_waste import Net, places


def ahead(n):
    return lambda x: F.pad(x, (n, 0))


def cut(n):
    return lambda x: x[..., :-n]


class Temporal(nn.Module):
    """A residual block of two dilated convolutions of kernel 3 (Bai et al. 2018, arXiv:1803.01271, figure 1)."""

    def __init__(self, before, padding, behind, activate_first=False):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv1d(4, 4, 3, padding=padding, dilation=2) for _ in range(2))
        self.before, self.behind, self.activate_first = before, behind, activate_first

    def forward(self, x):
        out = x
        for layer in self.convs:
            out = layer(self.before(out))
            out = self.behind(out.tanh()) if self.activate_first else self.behind(out).tanh()
        return x + out


def looks_ahead(module):
    x = torch.rand(1, 4, 64, requires_grad=True)
    (gradient,) = torch.autograd.grad(module(x)[0, :, 30].sum(), x)
    return bool(gradient[..., 31:].any())


@pytest.mark.parametrize("activate_first", [False, True])
@pytest.mark.parametrize(
    ("before", "padding", "behind", "expected"),
    [
        (ahead(4), 0, nn.Identity(), []),
        (nn.Identity(), 4, cut(4), []),
        (ahead(3), 0, lambda x: F.pad(x, (0, 1)), ["CB202"]),
        (nn.Identity(), 4, lambda x: x[..., 2:-2], ["CB205", "CB205"]),
        (nn.Identity(), 4, lambda x: x[..., 1:-3], ["CB202", "CB205", "CB205"]),
    ],
)
def test_causal_residual_networks_are_as_they_mean_to_be(before, padding, behind, expected, activate_first):
    module = nn.Sequential(*(Temporal(before, padding, behind, activate_first) for _ in range(2)))
    findings = advise(module, (4, 64), select=["CB202", "CB205"])
    assert looks_ahead(module) == bool(expected)
    assert [f.id for f in findings] == sorted(expected * 2)


def test_a_causal_network_of_tokens_and_one_that_crops_its_shortcut():
    tokens = Net(
        lambda m, x: m.block(m.table(x).transpose(1, 2)),
        table=nn.Embedding(9, 4),
        block=Temporal(nn.Identity(), 4, cut(4)),
    )
    assert not advise(tokens, (64,), dtypes=[torch.int64], select=["CB202", "CB205"])
    wavenet = Net(lambda m, x: m.conv(x).tanh() + x[..., 8:], conv=nn.Conv1d(4, 4, 2, dilation=8))
    assert not advise(wavenet, (4, 64), select=["CB202"])


def test_a_map_cut_at_one_end_is_causal_along_that_axis_only():
    module = Net(lambda m, x: m.conv(x)[:, :, :-2], conv=nn.Conv2d(4, 4, 3, padding=(2, 1)))
    assert places(module, (4, 9, 9), rule="CB205") == []
    module.conv.padding = (2, 2)
    assert places(module, (4, 9, 9), rule="CB205") == ["conv"]

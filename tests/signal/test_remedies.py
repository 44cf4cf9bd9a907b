"""Each fix does what it says, on a copy; and their check measures the same batch again."""

from math import sqrt

import pytest
import torch
from torch import nn

from convblocks.errors import OptionError, TraceError
from convblocks.signal import check_fixes, signal, with_fix
from convblocks.signal.shortcuts import Shortcut


def plain(depth=10):
    torch.manual_seed(0)
    layers = []
    for _ in range(depth):
        layers += [nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()]
        layers[-2].weight.data.mul_(0.3)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))


X = torch.randn(8, 16, 6, 6, generator=torch.Generator().manual_seed(0))


def test_he_draws_weights_of_its_variance_and_leaves_the_module():
    net = plain()
    before = {name: t.clone() for name, t in net.state_dict().items()}
    copy, change = with_fix(net, "he", X)
    assert copy[0].weight.std().item() == pytest.approx(sqrt(2 / (16 * 9)), rel=0.05)
    assert not copy[0].bias.any()
    assert torch.equal(copy[-1].weight, net[-1].weight)  # the head is left
    assert "10 layers" in change
    assert all(torch.equal(net.state_dict()[name], t) for name, t in before.items())


def test_lsuv_gives_every_output_unit_variance():
    copy, _ = with_fix(plain(), "lsuv", X)
    x = X
    for part in copy[:-3]:
        x = part(x)
        if isinstance(part, nn.Conv2d):
            assert x.std().item() == pytest.approx(1, rel=1e-3)


def test_norm_follows_each_convolution_and_is_refused_where_all_have_one():
    copy, change = with_fix(plain(3), "norm", X)
    assert [type(part[1]) for part in copy if isinstance(part, nn.Sequential)] == [nn.BatchNorm2d] * 3
    assert change == "batch norm after 3 of 3 layers"
    with pytest.raises(TraceError, match="norm after it already"):
        with_fix(copy, "norm", X)


def test_shortcuts_add_the_scaled_branch():
    net = plain(4)
    copy, _ = with_fix(net, "shortcut", X)
    added = [part for part in copy if isinstance(part, Shortcut)]
    assert len(added) == 2
    branch = net[:4] if len(added[0].branch) == 4 else net[: len(added[0].branch)]
    assert torch.allclose(added[0](X), X + branch(X) / sqrt(2), atol=1e-6)


def test_a_check_compares_the_figure_of_each_symptom_with_and_without_each_fix():
    net = plain(20)
    before = signal(net, X)
    checks = check_fixes(net, X, before=before)
    assert [(c.symptom, c.fix) for c in checks] == [(s.kind, f) for s in before.symptoms for f in s.fixes]
    assert "vanishing gradient" in {check.symptom for check in checks}
    for check in checks:
        if check.symptom == "vanishing gradient":
            copy, _ = with_fix(net, check.fix, X)
            assert check.before == before.gradient.over_all
            assert check.after == pytest.approx(signal(copy, X).gradient.over_all)
            assert check.verdict == "cured", check.fix


def test_a_fix_that_is_not_there_is_refused():
    with pytest.raises(OptionError, match="expected one of he, lsuv, norm, shortcut"):
        with_fix(plain(2), "dropout", X)

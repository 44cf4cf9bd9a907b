"""CB4xx against networks whose signal is known; on request only."""

import pytest
import torch
from torch import nn

from convblocks import advise
from convblocks.errors import TraceError


def deep(layers, gain, activation=nn.Tanh):
    torch.manual_seed(0)
    parts = []
    for _ in range(layers):
        conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        nn.init.normal_(conv.weight, std=gain / (8 * 9) ** 0.5)
        parts += [conv, activation()]
    return nn.Sequential(*parts)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (deep(20, 0.3), {("CB401", "vanishing gradient"), ("CB401", "vanishing activation")}),
        (deep(20, 3.0, nn.ReLU), {("CB402", "exploding gradient"), ("CB402", "exploding activation")}),
        (deep(6, 2**0.5, nn.ReLU), set()),
    ],
)
def test_vanishing_and_exploding_signals(module, expected):
    findings = advise(module, (8, 16, 16), signal=True, ignore=["CB2"])
    assert {(f.id, f.figures["kind"]) for f in findings} == expected
    assert all("shortcut" in f.fix or "norm" in f.fix for f in findings)


def test_layers_that_are_dead_are_an_error():
    module = deep(3, 1.0, nn.ReLU)
    nn.init.zeros_(module[2].weight)
    findings = advise(module, (8, 8, 8), select="CB403")
    assert [(f.id, f.severity) for f in findings] == [("CB403", "error")]
    assert "exactly 0 at" in findings[0].message


def test_the_signal_of_several_inputs_is_refused():
    class Two(nn.Module):
        def forward(self, x, y):
            return x + y

    with pytest.raises(TraceError, match="one input, and Two takes several"):
        advise(Two(), (3, 4, 4), (3, 4, 4), signal=True)


def test_the_signal_of_whole_numbers_is_refused_in_words():
    module = nn.Sequential(nn.Embedding(10, 8), nn.Linear(8, 4))
    for asked in ({"select": "CB4"}, {"signal": True}):
        with pytest.raises(
            TraceError, match="floating-point inputs, and Sequential is given int64: leave CB4 out"
        ):
            advise(module, (16,), dtypes=[torch.int64], **asked)
    assert not advise(module, (16,), dtypes=[torch.int64])
    assert not advise(module[1], (16, 8), select="CB403")


def test_rules_on_request_run_where_they_are_asked_for():
    module = deep(20, 0.3)
    assert not advise(module, (8, 16, 16), ignore=["CB2"])
    assert not advise(module, (8, 16, 16), select="CB", ignore=["CB2"])
    for asked in ({"signal": True, "select": "CB1"}, {"select": "CB4"}, {"select": ["CB1", "CB401"]}):
        assert {f.id for f in advise(module, (8, 16, 16), **asked)} == {"CB401"}

"""CB3xx and CB4xx, which measure: on request only, and judged by statistics and known networks, not by a clock."""

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch import nn

from convblocks import advise
from convblocks.advice.speed import paired_ratio
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


def test_rules_on_request_run_where_they_are_asked_for():
    module = deep(20, 0.3)
    assert not advise(module, (8, 16, 16), ignore=["CB2"])
    assert not advise(module, (8, 16, 16), select="CB", ignore=["CB2"])
    for asked in ({"signal": True, "select": "CB1"}, {"select": "CB4"}, {"select": ["CB1", "CB401"]}):
        assert {f.id for f in advise(module, (8, 16, 16), **asked)} == {"CB401"}


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


def test_the_interval_of_the_median_covers_it_as_often_as_it_says():
    """By order statistics: the binomial tells how often the true median lies within."""
    rng = np.random.default_rng(0)
    runs, repeats, within = 2000, 31, 0
    for _ in range(runs):
        here, there = rng.lognormal(0.2, 0.3, repeats), rng.lognormal(0, 0.3, repeats)
        ratio, low, high = paired_ratio(here, there)
        assert low <= ratio <= high
        within += low <= np.exp(0.2) <= high
    covered = 1 - 2 * binom.cdf(15 - 6, repeats, 0.5)  # six places on either side of the middle one
    assert covered >= 0.95
    assert within / runs == pytest.approx(covered, abs=0.015)


def test_measured_findings_carry_their_figures_and_conditions():
    """Which of them there are is the machine's business."""
    module = nn.Sequential(nn.Conv2d(3, 31, 3), nn.Conv2d(31, 33, 3), nn.Conv2d(33, 33, 3, groups=11))
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    findings = advise(module, (3, 12, 12), select="CB3")
    assert torch.equal(torch.rand(1), expected)  # nothing random was drawn
    for finding in findings:
        low, ratio, high = (finding.figures[name] for name in ("low", "ratio", "high"))
        assert 1 < low <= ratio <= high
        assert f"{ratio:.2f} [{low:.2f}, {high:.2f}]" in finding.message
        assert "median of 31 pairs" in finding.message
        assert finding.place in ("0", "1", "2")

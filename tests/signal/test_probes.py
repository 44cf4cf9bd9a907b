"""Intervals of probes against scipy, and probes of networks whose layers are known to separate the classes or not."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from convblocks import analyze
from convblocks.errors import OptionError, TraceError
from convblocks.signal import probe
from convblocks.signal.probes import paired, productive_layers, wilson


@pytest.mark.parametrize(("right", "n"), [(0, 10), (7, 10), (10, 10), (480, 500)])
def test_the_interval_of_a_share_is_wilson_s(right, n):
    interval = wilson(np.r_[np.ones(right), np.zeros(n - right)])
    expected = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=2e-5)
    assert interval.estimate == right / n


def test_a_paired_difference_counts_the_examples_that_differ():
    after, before = np.array([1.0, 1, 1, 0] * 25), np.array([1.0, 0, 1, 1] * 25)
    difference = paired(after, before)
    assert difference.estimate == 0
    assert difference.high == pytest.approx(1.96 * (after - before).std(ddof=1) / 10)
    same = paired(after, after)
    assert (same.low, same.high) == (-0.03, 0.03)  # the rule of three


def separating():
    """The first layer keeps the sum that tells the classes apart, the second loses it."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1))
    net[1].weight.data.zero_()
    return nn.Sequential(*net, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()


def test_a_layer_that_loses_the_classes_falls_to_chance():
    y = torch.arange(200) % 2
    x = torch.randn(200, 1, 6, 6) + 2.0 * y[:, None, None, None]
    probes = probe(separating(), (x[:100], y[:100]), (x[100:], y[100:]))
    first, second = probes.layers[:2]
    assert first.accuracy.estimate > 0.95
    assert second.accuracy.estimate == pytest.approx(0.5, abs=0.01)
    assert (first.verdict, second.verdict) == ("", "falls")
    assert (probes.train, probes.test) == (100, 100)


def test_productive_layers_are_those_of_the_analysis():
    net = nn.Sequential(*[nn.Conv2d(4, 4, 3, padding=1) for _ in range(6)])
    expected = {layer.name: layer.productive for layer in analyze(net, (4, 7, 7)).layers}
    assert productive_layers(net, (4, 7, 7)) == expected
    assert False in expected.values()
    assert productive_layers(nn.Linear(3, 2), (4,)) == {}  # cannot be traced


def test_what_cannot_be_probed_is_refused():
    x, y = torch.randn(4, 1, 6, 6), torch.tensor([0, 1, 0, 1])
    for pool, train in ((0, (x, y)), (5, (x, y)), (1, (x, y[:2])), (1, (x, torch.zeros(4).long()))):
        with pytest.raises(OptionError):
            probe(separating(), train, (x, y), pool=pool)
    with pytest.raises(TraceError, match="expected scores"):
        probe(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3)), (x, y), (x, y))

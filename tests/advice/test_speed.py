"""CB3xx, which measure: on request only, and tested by statistics, not by a clock."""

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch import nn

from convblocks import advise
from convblocks.advice.speed import paired_ratio


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

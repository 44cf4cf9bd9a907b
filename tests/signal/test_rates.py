"""The fit of a rate against scipy's regression, and the depth at which it crosses a bound."""

from math import log

import numpy as np
import pytest
from scipy import stats

from convblocks.signal.rates import EXPLODED, VANISHED, changed, finite, fit_rate


def test_the_fit_is_that_of_scipy():
    norms = np.exp(np.random.default_rng(0).normal(size=20).cumsum())
    rate, line = fit_rate(norms.tolist()), stats.linregress(range(20), np.log(norms))
    reach = stats.t.ppf(0.975, 18) * line.stderr
    assert log(rate.factor) == pytest.approx(line.slope)
    assert rate.standard_error == pytest.approx(line.stderr)
    assert (log(rate.low), log(rate.high)) == pytest.approx((line.slope - reach, line.slope + reach))
    assert fit_rate([1.0, 0.0, None, 2.0]) is None
    assert fit_rate([4.0, None, 1.0, 0.5, 0.0, 0.125]).factor == pytest.approx(0.5)


def test_a_rate_that_may_be_1_crosses_no_bound():
    rate = fit_rate([1.0, 2.0, 1.0, 2.1, 1.0, 2.0])
    assert rate.low < 1 < rate.high
    assert rate.layers_to_bound is None


@pytest.mark.parametrize(
    ("factor", "change", "bound"), [(0.5, "vanishing", VANISHED), (2.0, "exploding", EXPLODED)]
)
def test_an_exact_rate_crosses_its_bound_at_the_layer_of_the_closed_form(factor, change, bound):
    deep = fit_rate([factor**i for i in range(20)])
    assert deep.factor == pytest.approx(factor)
    assert deep.layers_to_bound == pytest.approx(log(bound) / log(factor), rel=1e-3)
    assert changed(deep) == change
    assert changed(fit_rate([factor**i for i in range(5)])) == ""  # not within the layers there are
    assert changed(None) == ""


def test_what_json_cannot_hold_is_none():
    assert [finite(number) for number in (1.5, float("inf"), float("nan"))] == [1.5, None, None]

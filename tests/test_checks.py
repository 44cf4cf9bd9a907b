"""Checks of options: what fits is given back, and a refusal says what was given and what works."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convblocks import checks
from convblocks.errors import OptionError


@given(st.integers(-5, 20), st.integers(-3, 5))
def test_whole_numbers_within_bounds_pass(value, at_least):
    if at_least <= value <= 10:
        assert checks.whole("n", value, at_least=at_least, at_most=10) == value
    else:
        with pytest.raises(OptionError, match=f"n={value}: expected a whole number of at"):
            checks.whole("n", value, at_least=at_least, at_most=10)


@pytest.mark.parametrize("value", [True, 1.0, "1", None])
def test_other_kinds_are_no_whole_numbers(value):
    with pytest.raises(OptionError, match="expected a whole number of at least 0; why"):
        checks.whole("n", value, at_least=0, hint="; why")


@given(st.lists(st.integers(1, 64), min_size=1, max_size=3), st.integers(1, 64))
def test_groups_divide_all_channels(channels, groups):
    named = {f"c{i}": count for i, count in enumerate(channels)}
    if any(count % groups for count in channels):
        with pytest.raises(OptionError, match=f"groups={groups}: must divide c0={channels[0]}"):
            checks.dividing_groups(groups, **named)
    else:
        assert checks.dividing_groups(groups, **named) == groups


def test_many_divisors_are_the_smallest_and_the_largest():
    with pytest.raises(OptionError, match=r"use 1, 2, 3, 4, 6, 8, 12 or 96$"):
        checks.dividing_groups(7, in_channels=96)


@pytest.mark.parametrize(("value", "expected"), [(3, (3, 3)), ((3, 5), (3, 5)), ([1, 7], (1, 7))])
def test_kernels_per_axis(value, expected):
    assert checks.odd_kernel(value, 2) == expected


@pytest.mark.parametrize(
    ("value", "fix"), [(4, "e.g. 3 or 5"), ((3, 2), "e.g. 1 or 3"), ((3, 3, 3), "2 of them for dims=2")]
)
def test_kernels_that_cannot_work(value, fix):
    with pytest.raises(OptionError, match=fix):
        checks.odd_kernel(value, 2)


@pytest.mark.parametrize("value", [0, 4, True, 2.0, "2"])
def test_other_numbers_of_axes_are_refused(value):
    with pytest.raises(OptionError, match=r"expected 1 \(signals\), 2 \(images\) or 3 \(volumes\)"):
        checks.dimensions(value)


@pytest.mark.parametrize("value", [1, -0.1, True, "0.5", float("nan")])
def test_what_is_no_probability_below_1_is_refused(value):
    with pytest.raises(OptionError, match="expected a probability"):
        checks.probability("p", value)
    assert checks.probability("p", 0.5) == 0.5


def test_names_of_a_table():
    assert checks.one_of("pool", "max", {"max": 1, "none": 2}) == "max"
    with pytest.raises(OptionError, match="pool='mx': expected max or none"):
        checks.one_of("pool", "mx", ["max", "none"])

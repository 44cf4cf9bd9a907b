"""Axes, colours and symbols that all charts share."""

import pytest

from convblocks.report.scales import SYMBOLS, error_span, linear_ticks, log_ticks, series_styles, span


def test_56_implementations_all_look_different():
    found = series_styles([str(n) for n in range(56)])
    assert len({(style.colour, style.symbol) for style in found}) == 56
    assert len({style.symbol for style in found[: len(SYMBOLS)]}) == len(SYMBOLS)


def test_error_axis_is_logarithmic_only_where_errors_are_far_apart():
    near, far = error_span([0.95, 0.97], [0.9, 0.99], 1000), error_span([0.4, 0.97, 1.0], [1.0], 1000)
    assert not near.logarithmic
    assert far.logarithmic
    assert far.low > 0
    wide = error_span([0.95, 0.97], [0.74, 1.0], 1000)  # far-apart ends do not count
    assert not wide.logarithmic
    assert 0.26 < wide.high < 0.29
    assert 0 in wide.ticks()
    assert far.keep(0.0) == far.low


@pytest.mark.parametrize("numbers", [[1.0], [0.0], [0.0, 0.0], [2.0, 2.0], [1e-9, 1e9], [-1.0, 1.0]])
def test_a_span_always_has_an_extent_that_holds_its_numbers(numbers):
    found = span(numbers)
    assert found.low < min(numbers) <= max(numbers) < found.high
    assert found.ticks()
    assert found.at(found.part(numbers[0])) == pytest.approx(numbers[0])


def test_ticks_lie_within_and_are_few():
    for low, high in ((0.3, 0.9), (1, 4000), (1e-9, 10), (0.011, 0.013)):
        assert all(low <= tick <= high for tick in log_ticks(low, high))
        assert 2 <= len(linear_ticks(low, high)) <= 10
    assert len(log_ticks(1e-12, 10)) <= 8

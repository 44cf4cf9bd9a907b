"""Numbers as text; the examples in the docstrings are the specification."""

import doctest
import random
from itertools import pairwise
from math import inf, nan

import pytest

from convblocks import formatting as fmt
from convblocks.records import Interval
from convblocks.report import label_layout, markdown, scales


@pytest.mark.parametrize("module", [fmt, scales, markdown], ids=lambda module: module.__name__)
def test_examples_in_docstrings(module):
    failures, tried = doctest.testmod(module)
    assert tried
    assert not failures


@pytest.mark.parametrize("number", [None, nan])
@pytest.mark.parametrize(
    "write",
    [fmt.percent, fmt.points, fmt.significant, fmt.count, fmt.size, fmt.milliseconds, fmt.seconds],
)
def test_what_is_no_number_reads_as_missing(write, number):
    assert write(number) == fmt.MISSING


@pytest.mark.parametrize("write", [fmt.percent, fmt.points, fmt.count, fmt.size])
def test_infinite_amounts_read_as_missing(write):
    assert write(inf) == fmt.MISSING


def test_one_seed_has_no_interval_whatever_its_ends():
    assert fmt.accuracy(Interval(0.5, None, None)) == "50.0 [n/a: one seed]"
    assert fmt.difference(Interval(-0.5, None, None)) == "−50.0 [n/a: one seed]"


def test_ends_that_are_unknown_with_several_seeds_read_as_missing():
    assert fmt.accuracy(Interval(0.5, 0.25, 1.0)) == "50.0 [25.0, 100.0]"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (9.999, "10.0"),
        (0.0009999, "0.00100"),
        (99_999, "1.00×10⁵"),
        (99_949, "99900"),
        (123_456, "1.23×10⁵"),
        (-1.5, "−1.50"),
        (0, "0"),
        (-inf, "−∞"),
    ],
)
def test_significant_digits_at_the_edges(number, text):
    assert fmt.significant(number) == text


def test_counts_round_up_into_the_next_prefix():
    assert [fmt.count(n).replace("\xa0", " ") for n in (0, 999, 1000, 999_499, 999_500, 9_999_999)] == [
        "0",
        "999",
        "1.00 k",
        "999 k",
        "1.00 M",
        "10.0 M",
    ]


def test_names_stand_apart_and_above_their_points():
    points = [label_layout.Point(f"residual-{i}-d8", 0.05 + 0.02 * i, 0.5 - 0.01 * i) for i in range(4)]
    stand = label_layout.heights(points)
    assert all(stand[point.name] < point.y for point in points)
    found = sorted(stand.values())
    assert all(b - a >= label_layout.LINE - 1e-9 for a, b in pairwise(found))
    assert min(stand, key=lambda name: stand[name]) == points[0].name  # the outermost is the highest


def test_names_cover_no_point_that_has_none():
    """A dense cloud of points; in pixels of the page at its narrowest, with letters 12 px high and marks 12 px wide."""
    rng = random.Random(0)
    for _ in range(200):
        cloud = [
            label_layout.Point(f"p{i}", rng.uniform(0.05, 0.95), rng.uniform(0.5, 0.9)) for i in range(12)
        ]
        stand = label_layout.heights(cloud[:2], cloud[2:])
        for named in cloud[:2]:
            low, high = named.reach
            bottom = 360 * stand[named.name]  # the line's end; the text stands on it
            for other in cloud:
                covered = low <= other.x <= high and bottom - 14 - 6 < 360 * other.y < bottom + 3 + 6
                assert not covered, (named, other)


def test_few_names_keep_the_ends_and_the_one_asked_for():
    chosen = label_layout.few([str(n) for n in range(30)], "17")
    assert (chosen[0], chosen[label_layout.MOST - 1]) == ("0", "29")
    assert "17" in chosen
    assert len(chosen) <= label_layout.MOST + 1
    assert label_layout.few(["a", "b"], "a") == ["a", "b"]
    assert label_layout.few([], None) == []

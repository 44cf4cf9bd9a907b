"""Names in a chart cover neither each other nor points."""

import itertools

from convblocks.report.label_layout import LINE, MOST, Point, few, heights


def test_a_lone_name_stands_a_line_above_its_point():
    assert heights([Point("a", 0.2, 0.5)]) == {"a": 0.5 - LINE}


def test_names_that_would_touch_stand_on_different_lines():
    points = [Point("first", 0.20, 0.5), Point("second", 0.21, 0.5), Point("third", 0.22, 0.5)]
    placed = sorted(heights(points).values())
    assert all(b - a >= 0.99 * LINE for a, b in itertools.pairwise(placed))


def test_a_name_is_clear_of_points_without_one():
    (height,) = heights([Point("a", 0.2, 0.5)], [Point("", 0.21, 0.5 - LINE)]).values()
    assert height <= 0.5 - 2 * LINE


def test_few_names_are_kept_and_one_in_any_case():
    names = [str(i) for i in range(50)]
    kept = few(names, "17")
    assert (kept[0], kept[MOST - 1], kept[-1]) == ("0", "49", "17")
    assert few(names[:3], None) == names[:3]

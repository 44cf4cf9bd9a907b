"""The table of rules: ids that keep their meaning."""

from convblocks.advice import RULES
from convblocks.records import SEVERITIES


def test_ids_are_in_order_and_stable():
    """An id that is published keeps its meaning: add, never rename."""
    assert [rule.id for rule in RULES] == [
        *("CB101", "CB102", "CB103", "CB104", "CB105"),
        *("CB201", "CB202", "CB203", "CB204", "CB205", "CB206", "CB207"),
        *("CB301", "CB302", "CB401", "CB402", "CB403", "CB404"),
        *("CB501", "CB502", "CB503", "CB504", "CB505"),
    ]


def test_each_rule_says_what_it_finds_and_why_and_is_severe_by_a_known_word():
    for rule in RULES:
        assert rule.severity in SEVERITIES
        assert rule.what
        assert rule.why
        assert rule.on_request == rule.id.startswith(("CB3", "CB4"))

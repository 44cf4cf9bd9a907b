"""An analysis as a whole, as sentences with its figures."""

from msgspec.structs import replace

from convblocks.formatting import count, size
from convblocks.report import totals


def test_facts_have_the_figures_of_the_analysis(analysis):
    facts = dict(totals.facts(analysis))
    assert facts["parameters"].startswith(count(analysis.params))
    assert facts["MACs forward"] == count(analysis.macs)
    assert size(analysis.saved_bytes) in facts["saved for backward"]


def test_lower_bounds_are_marked_and_their_ops_named(analysis):
    bounded = replace(analysis, unknown_ops=("mine::op",), unknown_share=0.5)
    assert "mine::op" in totals.unknown(bounded)
    assert totals.unknown(analysis) == ""
    if bounded.lower_bounds:
        assert dict(totals.facts(bounded))["MACs forward"].startswith(totals.BOUND)


def test_unproductive_layers_are_counted_and_the_first_is_named(analysis):
    text = totals.unproductive(analysis)
    assert analysis.unproductive
    assert text.startswith(f"{len(analysis.unproductive)} ")
    assert analysis.unproductive[0].name in text


def test_the_extent_of_a_field():
    assert totals.extent(((1, -2, 2), (1, -2, 2))) == "5"
    assert totals.extent(((1, -2, 2), (1, -1, 1))) == "5×3"
    assert totals.extent(("all", "all")) == "all"
    assert not totals.bounded(("all", (1, 0, 0)))
    assert totals.bounded(((1, 0, 0),))


def test_assumed_axes_are_named(analysis):
    assert totals.axes(("time", "features"), "") == ""
    assert "time,features" in totals.axes(("time", "features"), "the first layer is linear")

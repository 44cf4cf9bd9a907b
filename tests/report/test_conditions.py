"""A study of label maps says mean IoU wherever one of classes says accuracy."""

from dataclasses import replace as with_fields
from math import prod

import pytest
from msgspec.structs import replace

from convblocks.report.columns import COLUMNS, fields
from convblocks.report.conditions import conditions
from convblocks.report.entries import collect
from convblocks.report.figures import figures
from tests.report.page import Page, render, text_of


@pytest.mark.parametrize(
    ("task", "said", "unsaid"), [("segment", "mean iou", "accuracy"), ("classify", "accuracy", "iou")]
)
def test_the_metric_is_named_everywhere(records, task, said, unsaid):
    study = replace(records.study, data=replace(records.study.data, task=task))
    summary = replace(records.summary, headline="", paragraphs=())  # the fixture's own words
    entries = collect(study, records.designs, records.runs, summary)
    parts = fields(study, summary)
    columns = [f"{c.title} {c.definition}".format_map(parts) for c in COLUMNS]
    drawn = figures(study, summary, entries)
    words = [" ".join([f.title, f.reading, f.numbers, *f.headers]) for f in drawn]
    titles = [str(found) for f in drawn for p in f.panels for found in _titles(p.chart.to_dict())]
    page = text_of(Page(render(with_fields(records, study=study, summary=summary))))
    for text in (" ".join(columns), " ".join(words), " ".join(titles), page):
        assert said in text.lower()
        assert unsaid not in text.lower()


def test_the_conditions_name_the_network_and_the_loss(records):
    for task, head, network, loss in (
        ("segment", "", "a u-net", "soft dice"),  # as records were before a head was recorded
        ("segment", "unet", "a u-net", "soft dice"),
        ("segment", "dilated", "the last stages dilate", "soft dice"),
        ("classify", "", "linear classifier", "cross entropy"),
    ):
        study = replace(records.study, head=head, data=replace(records.study.data, task=task))
        page = text_of(Page(render(with_fields(records, study=study)))).lower()
        assert network in page
        assert loss in page
        assert ("dice" in page) == (task == "segment")


def test_the_conditions_say_what_label_maps_leave_out(records):
    card = records.study.data
    some, positions = len(card.classes), prod(card.shape[1:])
    pixels = {
        p: (getattr(card, p) * positions // 2 - some + 2, *[1] * (some - 2), 0)
        for p in ("train", "validation", "test")
    }
    study = replace(records.study, data=replace(card, task="segment", pixels=pixels))
    facts = {fact.term: fact.text for fact in conditions(study, records.designs, records.summary)[0].facts}
    assert facts["ignored"].startswith("50.0\xa0% of the pixels, those of the value 255")
    assert facts["not in test"] == f"1 class: {card.classes[-1]}"
    assert not {"ignored", "not in test"} & {
        f.term for f in conditions(records.study, records.designs, records.summary)[0].facts
    }


def _titles(spec):
    """All titles of axes and tooltips in a chart."""
    if isinstance(spec, list):
        return [title for part in spec for title in _titles(part)]
    if not isinstance(spec, dict):
        return []
    own = [spec["title"]] if isinstance(spec.get("title"), str) else []
    return own + [title for part in spec.values() for title in _titles(part)]

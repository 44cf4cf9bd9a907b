"""The page of an analysis: what is drawn is what the layers see and cost, and what cannot be in it."""

import re

import pytest
import torch
from torch import nn

from convblocks import analyze
from convblocks.drawing import outline
from convblocks.records import Analysis, Finding
from convblocks.report.analysis_html import MOST_BOXES
from convblocks.report.field_drawing import Picture, drawing
from convblocks.report.layer_columns import COLUMNS
from tests.report.analysed import BLANK, EVIL, SIZE, net, page
from tests.report.page import Page, text_of


def test_the_table_has_every_layer_and_sorts_by_number(analysis):
    html = Page(page(analysis))
    table = html.all("table", **{"data-sortable": None})
    assert len(table) == 1
    heads = [e["data-value"] for e in html.all("th", scope="row")]
    assert heads == [layer.name for layer in analysis.layers]
    assert [e["text"] for e in html.all("th", scope="col")] == [column.title for column in COLUMNS]
    cells = html.all("td")
    macs = [e["data-value"] for e in cells[3 :: len(COLUMNS) - 1]]
    assert [int(value) for value in macs] == [layer.macs for layer in analysis.layers]


def test_header_conditions_and_text_alternatives(analysis):
    html = Page(page(analysis))
    text = " ".join(text_of(html).split())
    assert "Sequential, input 3×21×27, one image." in text
    assert "1 unproductive layer with MACs, from 6: what enters already sees the whole 21×27 image" in text
    assert "MACs are not time" in text
    assert "convblocks analyze mine.py:make" in text
    assert f"torch {torch.__version__}" in text
    assert "2026-01-01" in text
    assert all(e["aria-label"] for e in html.all("div", role="img"))
    (svg,) = [e for e in html.all("svg") if e.get("role") == "img"]
    assert all(frame.text in svg["aria-label"] for frame in drawing(analysis).frames)
    assert html.all("image")[0]["href"] == BLANK.uri
    assert "Advice" not in text


def test_the_network_is_drawn_unless_that_would_be_heavy(analysis):
    html = page(analysis, outline=outline(net(), SIZE))
    assert "<desc>Sequential 0 input, 3 channels, 21×27 1 3×3 conv, 3 → 4; ReLU; sees 3×3 2" in html
    assert "The network, drawn" not in page(analysis)
    for layers, drawn in ((MOST_BOXES - 2, True), (MOST_BOXES - 1, False)):
        uneven = nn.Sequential(*(nn.Conv2d(i, i + 1, 1) for i in range(1, layers + 1)))
        assert ("The network, drawn" in page(analysis, outline=outline(uneven, (1, 4, 4)))) == drawn


def test_advice_is_told_once_a_rule_with_its_places(analysis):
    advice = [
        Finding(id="CB101", severity="warning", place=p, message="m", fix="do", figures={})
        for p in ("0", "2")
    ]
    text = " ".join(text_of(Page(page(analysis, advice=advice))).split())
    assert "CB101, warning At 0 and 2: m. Fix: do." in text


def test_the_same_arguments_give_the_same_text(analysis):
    assert page(analysis) == page(Analysis.from_json(analysis.to_json()))


def test_text_from_outside_stays_text():
    class Evil(nn.Conv2d):
        pass

    Evil.__name__ = EVIL
    advice = [Finding(id=EVIL, severity="note", place=EVIL, message=EVIL, fix=EVIL, figures={})]
    picture = Picture('" onload="alert(1)', EVIL)
    html = page(
        analyze(Evil(3, 4, 3), (3, 8, 8)),
        target=EVIL,
        command=EVIL,
        made=EVIL,
        advice=advice,
        picture=picture,
    )
    assert "<script>alert" not in html
    assert not re.search(r'<image[^>]* onload="', html)
    assert EVIL in text_of(Page(html))


@pytest.mark.parametrize(
    ("model", "size"),
    [
        (nn.Linear(4, 2), (4,)),
        (nn.Identity(), (3, 4, 4)),
        (nn.ReLU(), (3, 4, 4)),
        (nn.Sequential(nn.Conv1d(1, 2, 3), nn.Conv1d(2, 2, 3)), (1, 20)),
        (nn.Conv3d(1, 2, 3), (1, 9, 8, 7)),
        (nn.Upsample(scale_factor=3, mode="bilinear"), (3, 6, 6)),
    ],
)
def test_modules_at_the_edge_have_a_page(model, size):
    assert "In short" in text_of(Page(page(analyze(model, size))))

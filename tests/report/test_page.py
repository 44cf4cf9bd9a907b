"""No character that steers a terminal or hides text is left in a report, whichever record it came from."""

import json
import re
from base64 import b64encode
from hashlib import sha256

import pytest
from msgspec.structs import replace

from convblocks.records import Paragraph
from convblocks.records.outline import Box, Outline
from convblocks.report.html import render_html
from convblocks.report.markdown import render_markdown
from convblocks.report.outline_svg import outline_svg
from convblocks.text import UNSAFE
from tests.report.conftest import make_design, make_row, make_run, make_summary
from tests.report.page import Page
from tests.test_text import HOSTILE

TEXT = "\n".join(HOSTILE.values())
BLOCK = Outline(module=TEXT, boxes=(Box(text=TEXT, detail=TEXT, sees=TEXT, row=0, lane=0),), lines=())


@pytest.fixture(scope="module")
def hostile(records):
    """Records that have such a text wherever they have text from outside."""
    design = make_design(name=f"{TEXT}-d8", family=TEXT, unknown_ops=(TEXT,), block=BLOCK)
    study = replace(
        records.study,
        name=TEXT,
        command=TEXT,
        notes=(TEXT,),
        families=(TEXT,),
        recipe={TEXT: TEXT},
        host=replace(records.study.host, cpu=TEXT, system=TEXT, versions={TEXT: TEXT}),
        data=replace(
            records.study.data, name=TEXT, source=TEXT, classes=(TEXT, "b"), split=TEXT, preparation=TEXT
        ),
    )
    runs = (replace(make_run(make_design(), 0), design=design.name, failure=TEXT),)
    summary = make_summary(
        (make_row(design),),
        recommended=design.name,
        headline=TEXT,
        paragraphs=(Paragraph(TEXT, TEXT),),
        cost=TEXT,
    )
    return study, (design, make_design(problem=TEXT)), runs, summary


@pytest.fixture(scope="module")
def page(hostile):
    return render_html(*hostile)


def _texts(value):
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


def test_the_page_and_the_strings_of_its_charts(page):
    assert not UNSAFE.search(page)
    page.encode()
    charts = [json.loads(e["text"]) for e in Page(page).all("script", type="application/json")]
    texts = [text for chart in charts for text in _texts(chart)]
    assert any("exe" in text and "gnp" in text for text in texts)
    assert not [text for text in texts if UNSAFE.search(text)]


def test_the_scripts_are_still_those_that_the_policy_allows(page):
    policy = Page(page).all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.S)
    assert len(scripts) == 2
    for script in scripts:
        assert b64encode(sha256(script.encode()).digest()).decode() in policy


def test_markdown_and_drawings(hostile):
    study, designs, _, summary = hostile
    for text in (render_markdown(study, designs, summary), outline_svg(BLOCK)):
        assert "gnp" in text
        assert not UNSAFE.search(text)
        text.encode()

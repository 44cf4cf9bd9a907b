"""The page as text: what is in it, and what cannot be in it."""

import dataclasses
import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from convblocks.records import Interval, Outline
from convblocks.records.outline import Box, Line, Repeat
from convblocks.report.columns import COLUMNS
from tests.report.conftest import make_design, make_row, make_summary
from tests.report.page import Page, render, text_of


@pytest.fixture(scope="module")
def page(records) -> Page:
    return Page(render(records))


def test_recommendation_is_on_top_with_the_line_that_loads_it(page, records):
    answer = page.all("section", id="answer")[0]["text"]
    assert records.summary.headline in answer
    for lead, text in records.summary.paragraphs:
        assert f"{lead}\n{text}\n" in answer
    assert 'convblocks.load("runs/digits-8-56", "residual-2-d8")' in answer
    text = text_of(page)
    order = ["How should", records.summary.headline, "Designs", "Charts", "Conditions"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)


def test_table_has_all_designs_and_all_columns(page, records):
    rows = page.rows()
    assert {row["Design"].split()[0] for row in rows} == {design.name for design in records.designs}
    marked = [row["Design"] for row in rows if "recommended" in row["Design"]]
    assert [name.split() for name in marked] == [["residual-2-d8", "recommended"]]
    headers = [e for e in page.all("th", scope="col") if "details" not in e["within"]]
    assert len(headers) == len(COLUMNS) + 1  # both tables begin with the design
    assert "Train s to 95.0\xa0%" in [header["text"] for header in headers]


def test_cells_read_as_meant(page):
    (row,) = [row for row in page.rows() if row["Design"].startswith("simple-d56")]
    row = {title: cell.replace("\N{NO-BREAK SPACE}", " ") for title, cell in row.items()}
    assert row.pop("Test accuracy, %").startswith("38.1 [36.5, 39.7] seeds ")
    expected = {
        "Verdict": "worse p < 0.001; Holm p = 0.004",
        "Validation accuracy, %": "38.1 [36.6, 39.6]",
        "Difference to best, points": "−59.5 [−60.7, −58.3]",
        "Test difference, points": "−59.5 [−60.9, −58.1]",
        "Latency, ms": "2.54 (2.44–\N{WORD JOINER}2.77)",
        "Stack depth": "56",
        "Block depth × blocks": "28 × 2",
        "Receptive field, px": "169 × 169 whole image",
        "Gradient ratio": "2.4×10⁻⁷",
        "Train s to {target}": "— 0 of 3 seeds",
    }
    assert {title: row[title] for title in expected} == expected


def test_what_decides_comes_first_and_the_best_on_validation_leads(make):
    """On the test data the order is the other way round."""
    designs = tuple(make_design(f"residual-{i}", depth) for i, depth in ((1, 8), (2, 56), (4, 8)))
    rows = tuple(
        make_row(d, validation=Interval(a, a, a), test=Interval(1 - a, 1 - a, 1 - a))
        for d, a in zip(designs, (0.7, 0.9, 0.8), strict=True)
    )
    shown = Page(render(make(designs=designs, runs=(), summary=make_summary(rows)))).rows()
    assert [row["Design"] for row in shown] == ["residual-2-d56", "residual-4-d8", "residual-1-d8"]
    assert [title.split()[0].strip(",") for title in shown[0]][:6] == [
        "Design",
        "Verdict",
        "Validation",
        "Difference",
        "Test",
        "Latency",
    ]


def test_where_the_data_do_not_tell_nothing_is_recommended(make, page, records):
    title = page.all("h2", id="answer-title")[0]["text"]
    inconclusive = Page(render(make(summary=replace(records.summary, conclusive=False))))
    assert (title, inconclusive.all("h2", id="answer-title")[0]["text"]) == (
        "Recommendation",
        "No recommendation yet",
    )
    marks = [e["text"] for e in inconclusive.all("small") if "cheapest" in e["text"]]
    assert marks == ["cheapest not measurably worse"]
    assert "recommended" not in " ".join(row["Design"] for row in inconclusive.rows())


def test_verdicts_are_defined_and_sort_from_the_best_to_what_is_not_known(make, page):
    text = text_of(page)
    verdicts = ("best", "within noise", "perhaps worse", "worse", "one seed", "unfinished")
    for verdict in verdicts[1:5]:
        assert f"“{verdict}”" in text
    designs = tuple(make_design(f"residual-{i}") for i in range(100, 106))
    rows = tuple(make_row(d, verdict=v, p_holm=None) for d, v in zip(designs, verdicts, strict=True))
    shown = Page(render(make(designs=designs, runs=(), summary=make_summary(rows))))
    ranks = [
        e["data-value"] for e in shown.all("td") if e["text"].split(" p\N{NO-BREAK SPACE}<")[0] in verdicts
    ]
    assert ranks == ["0", "1", "2", "3", "4", "5"]


def test_structure_for_those_who_do_not_see_it(page):
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("main")) == len(page.all("header")) == len(page.all("footer")) == 1
    levels = [int(e["tag"][1]) for e in page.elements if re.fullmatch("h[1-6]", e["tag"])]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table")) == 7
    ids = [e["id"] for e in page.elements if "id" in e]
    assert len(ids) == len(set(ids))
    images = page.all("div", role="img")
    assert len(images) == 7
    assert all(len(image["aria-label"]) > 60 for image in images)
    assert {script["data-chart"] for script in page.all("script") if "data-chart" in script} == {
        image["id"] for image in images
    }


def test_conditions_are_stated(page, records):
    text = text_of(page)
    for condition in (
        records.study.command,
        records.study.started,
        records.study.data.split,
        records.study.data.preparation,
        "1,078 train, 359 validation, 360 test",
        "matched at 4.99\xa0M MACs",
        "Example CPU 9000 (AVX2)",
        "32.0\xa0GiB",
        "2.9.1",
        "Equal MACs do not mean equal time",
        records.study.notes[0],
    ):
        assert condition in text
    assert page.all("abbr", title=records.study.data.sha256)


def test_page_asks_for_nothing_and_runs_only_its_own_scripts(records, page):
    html = render(records)
    assert page.all("link") == [
        {"tag": "link", "text": "", "within": ["html", "head"], "rel": "icon", "href": "data:,"}
    ]
    assert not [e for e in page.elements if "src" in e]
    policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]
    assert policy.startswith("default-src 'none'")
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.S)
    assert len(scripts) == 2
    for script in scripts:
        assert b64encode(sha256(script.encode()).digest()).decode() in policy


def test_same_records_same_page(records):
    assert render(records) == render(records)


def test_page_weighs_about_a_megabyte(records):
    assert len(render(records).encode()) < 1_200_000


def test_report_never_imports_torch():
    code = "import sys, convblocks.report.html, convblocks.report.markdown; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_numbers_as_text_import_no_charts():
    code = "import sys, convblocks.report.markdown; sys.exit('altair' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def picture(label: str) -> Outline:
    boxes = (Box(text=f"3×3 conv of {label} <b>", row=0, lane=0), Box(text="output", row=1, lane=0))
    return Outline(module="Block", boxes=boxes, lines=(Line(0, 1, 0),), repeats=(Repeat(0, 0, 3),))


def test_one_block_of_each_implementation_is_drawn(records):
    assert "The blocks" not in render(records)  # of a folder older than the pictures
    designs = [replace(d, block=picture(d.name) if d.family != "simple" else None) for d in records.designs]
    text = render(dataclasses.replace(records, designs=tuple(designs)))
    drawn = re.findall(r'<svg[^>]* class="outline".*?</svg>', text, re.DOTALL)
    trees = [ET.fromstring(svg) for svg in drawn]  # noqa: S314 - our own page
    said = [tree.find("{*}desc").text for tree in trees]
    assert [re.findall(r"conv of (\S+)", words)[0] for words in said] == [
        "residual-1-d8",
        "residual-2-d8",
        "residual-4-d8",
        "bottleneck-4-d8",
    ]
    assert all("×3 [ 3×3 conv" in words for words in said)
    assert [tree.find("{*}title").text for tree in trees] == ["Block"] * 4
    assert "<style" not in "".join(drawn)  # it would hold for the whole page
    assert len(text) - len(render(records)) < 10_000

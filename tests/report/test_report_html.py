"""The page as text: what is in it, what cannot be in it, and records at the edge of what there can be."""

import json
import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from math import inf, nan

import pytest
from msgspec.structs import replace

from convblocks.records import Interval
from convblocks.report.columns import COLUMNS
from convblocks.report.html import render_html
from tests.report.conftest import Records, make_design, make_row, make_run, make_runs, make_summary

EVIL = "</script><script>alert(1)</script>"
VOID = {"meta", "link", "path", "br"}


class Page(HTMLParser):
    """Elements with their attributes and text; refuses tags that do not match."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[dict] = []
        self.elements: list[dict] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", "within": [e["tag"] for e in self.open], **dict(attrs)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append({"tag": tag, "text": "", "within": [], **dict(attrs)})

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag: str, **attributes: str) -> list[dict]:
        return [
            e for e in self.elements if e["tag"] == tag and all(e.get(k) == v for k, v in attributes.items())
        ]

    def rows(self) -> list[list[str]]:
        """The table of designs, cell by cell."""
        cells = [
            e["text"] for e in self.elements if e["tag"] in ("th", "td") and "details" not in e["within"]
        ]
        width = len(COLUMNS)
        return [cells[i : i + width] for i in range(width, len(cells), width)]


def render(records: Records) -> str:
    return render_html(records.study, records.designs, records.runs, records.summary)


def text_of(page: Page) -> str:
    """What one reads: all text but scripts and style."""
    return " ".join(e["text"] for e in page.elements if e["tag"] in ("header", "main", "footer"))


@pytest.fixture(scope="module")
def page(records) -> Page:
    return Page(render(records))


def test_recommendation_is_on_top_with_the_line_that_loads_it(page, records):
    answer = page.all("section", id="answer")[0]["text"]
    assert records.summary.headline in answer
    assert all(paragraph in answer for paragraph in records.summary.paragraphs)
    assert 'convblocks.load("runs/digits-8-56", "residual-2-d8")' in answer
    text = text_of(page)
    order = ["How should", records.summary.headline, "Designs", "Charts", "Conditions"]
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)


def test_table_has_all_designs_and_all_columns(page, records):
    rows = page.rows()
    assert {row[0].split()[0] for row in rows} == {design.name for design in records.designs}
    marked = [row[0] for row in rows if "recommended" in row[0]]
    assert [name.split() for name in marked] == [["residual-2-d8", "recommended"]]
    headers = [e for e in page.all("th", scope="col") if "details" not in e["within"]]
    assert len(headers) == len(COLUMNS)
    assert "Train s to 95.0\xa0%" in [header["text"] for header in headers]


def test_cells_read_as_meant(page):
    (row,) = [row for row in page.rows() if row[0].startswith("simple-d56")]
    assert row[1:3] == ["56", "28 × 2"]
    assert row[7] == "169 × 169 whole image"
    assert row[8] == "2.4×10⁻⁷"
    assert row[9].startswith("38.1 [36.5, 39.7] seeds ")
    assert row[10] == "−59.5 [−60.9, −58.1] validation −59.5 [−60.7, −58.3]"
    assert row[11:13] == ["worse p < 0.001; Holm p = 0.004", "— 0 of 3 seeds"]
    assert row[14] == "2.54 (2.44–2.77)"


def test_verdicts_are_defined_and_sort_from_the_best_to_what_is_not_known(make, page):
    text = text_of(page)
    verdicts = ("best", "within noise", "perhaps worse", "worse", "one seed", "unfinished")
    for verdict in verdicts[1:5]:
        assert f"“{verdict}”" in text
    designs = tuple(make_design(f"residual-{i}") for i in range(100, 106))
    rows = tuple(make_row(d, verdict=v, p_holm=None) for d, v in zip(designs, verdicts, strict=True))
    shown = Page(render(make(designs=designs, runs=(), summary=make_summary(rows))))
    ranks = [e["data-value"] for e in shown.all("td") if e["text"].split(" p <")[0] in verdicts]
    assert ranks == ["0", "1", "2", "3", "4", "5"]


def test_structure_for_those_who_do_not_see_it(page):
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("main")) == len(page.all("header")) == len(page.all("footer")) == 1
    levels = [int(e["tag"][1]) for e in page.elements if re.fullmatch("h[1-6]", e["tag"])]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table")) == 6
    ids = [e["id"] for e in page.elements if "id" in e]
    assert len(ids) == len(set(ids))
    images = page.all("div", role="img")
    assert len(images) == 7
    assert all(len(image["aria-label"]) > 60 for image in images)
    assert {script["data-chart"] for script in page.all("script") if "data-chart" in script} == {
        image["id"] for image in images
    }


def test_conditions_are_told(page, records):
    text = text_of(page)
    for told in (
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
        assert told in text
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


def test_text_from_outside_stays_text(make, records):
    design = make_design(name=f"{EVIL}-d8", problem="")
    study = replace(
        records.study,
        name=EVIL,
        command=EVIL,
        notes=(EVIL,),
        recipe={EVIL: EVIL},
        data=replace(records.study.data, name=EVIL, source=EVIL, classes=(EVIL, "\u2028"), split=EVIL),
    )
    runs = (make_run(design, 0, failure=EVIL),)
    summary = make_summary(
        (make_row(design),), recommended=design.name, headline=EVIL, paragraphs=(EVIL,), cost=EVIL
    )
    designs = (design, make_design(problem=EVIL), make_design(depth=56, unknown_ops=(EVIL,)))
    html = render_html(study, designs, runs, summary)
    assert "<script>alert" not in html
    page = Page(html)
    specs = page.all("script", type="application/json")
    assert len(specs) > 5
    assert all(json.loads(spec["text"]) is not None for spec in specs)
    assert any(EVIL in json.dumps(json.loads(spec["text"])) for spec in specs)
    assert EVIL in text_of(page)
    assert not [e for e in page.elements if "onclick" in e]


def test_nothing_has_run_yet(make):
    summary = make_summary((), recommended=None, headline="No run has finished yet.", target_accuracy=None)
    page = Page(render(make(runs=(), summary=summary)))
    rows = page.rows()
    assert len(rows) == 10
    assert all(row[9] == "not trained" for row in rows)
    text = text_of(page)
    assert "There is nothing to draw yet" in text
    assert "convblocks.load" not in text
    assert "Train s to target" in text


def test_no_design_at_all(make):
    summary = make_summary((), recommended=None)
    page = Page(render(make(designs=(), runs=(), summary=summary)))
    assert "No design could be matched" in text_of(page)
    assert not page.all("table")


def test_designs_without_a_row_come_after_those_with_one(make, records):
    summary = replace(records.summary, rows=records.summary.rows[:1])
    rows = Page(render(make(summary=summary))).rows()
    assert len(rows) == 10
    of_depth = [row for row in rows if row[1] == "56"]
    assert of_depth[0][0].startswith("residual-2-d56")
    assert all(row[11] == "unfinished" for row in of_depth[1:])


def test_what_was_left_out_is_told_with_its_reason(make):
    designs = (make_design(), make_design("simple", problem="needs 0.4 channels"))
    runs = (*make_runs(designs[0])[:2], make_run(designs[0], 2, failure="the loss became nan in epoch 3"))
    page = Page(render(make(designs=designs, runs=runs, summary=make_summary((make_row(designs[0]),)))))
    assert len(page.rows()) == 1
    text = " ".join(text_of(page).split())
    assert "simple-d8 not trained: needs 0.4 channels" in text
    assert "residual-2-d8, seed 2 stopped early: the loss became nan in epoch 3" in text


def test_one_seed_has_no_interval(make, records):
    rows = tuple(
        replace(
            row, seeds=1, test=Interval(row.test.estimate, None, None), p_value=None, test_difference=None
        )
        for row in records.summary.rows
    )
    study = replace(records.study, seeds=(0,))
    runs = tuple(run for run in records.runs if run.seed == 0)
    page = Page(render(make(study=study, runs=runs, summary=make_summary(rows, recommended=None))))
    assert "97.6 [n/a: one seed]" in page.rows()[5][9]
    text = text_of(page)
    assert "1 seed." in text
    assert "nan" not in text


def test_odd_figures_never_read_as_nan(make):
    designs = (
        make_design(gradient_norms=(nan, 1.0)),
        make_design("residual-1", gradient_norms=(1.0, 0.0)),
        make_design("residual-4", gradient_norms=(inf, 1.0), receptive_field=("all", None)),
        make_design("simple", gradient_norms=(), receptive_field=()),
    )
    rows = tuple(make_row(d, latency=None, images_per_s=0.0, p_value=nan, train_loss=nan) for d in designs)
    unfinished = make_row(designs[0], test=Interval(nan, None, None), validation=Interval(nan, None, None))
    page = Page(render(make(designs=designs, runs=(), summary=make_summary((unfinished, *rows[1:])))))
    assert "nan" not in text_of(page)
    cells = {row[0].split()[0]: row for row in page.rows()}
    assert cells["residual-4-d8"][7:9] == ["all × ?", "∞"]
    assert cells["simple-d8"][7:9] == ["—", "—"]
    keys = [e["data-value"] for e in page.all("td") if "data-value" in e]
    assert "Infinity" in keys
    assert "nan" not in keys


def test_nothing_matched(make, records):
    page = Page(render(make(study=replace(records.study, match="none", budget=None))))
    assert "widths not matched" in text_of(page)
    assert "chosen so that all designs" not in text_of(page)


@pytest.mark.parametrize(
    ("shape", "axes", "text"),
    [
        ((1, 128), ((4, -31, 32),), "64"),
        ((3, 8, 8), ((1, -4, 4), (1, -4, 4)), "9 × 9 whole image"),
        ((1, 16, 32, 32), ((1, -8, 8), (1, -8, 8), (1, -8, 8)), "17 × 17 × 17"),
    ],
)
def test_receptive_fields_in_one_two_and_three_dimensions(make, records, shape, axes, text):
    design = make_design(receptive_field=axes)
    study = replace(records.study, data=replace(records.study.data, shape=shape))
    page = Page(render(make(study=study, designs=(design,), summary=make_summary((make_row(design),)))))
    assert page.rows()[0][7] == text


def test_sixty_designs(make):
    labels = tuple(f"residual-{n}" for n in range(100, 130))
    page = Page(render(make(labels=labels)))
    assert len(page.rows()) == 60
    assert len(page.all("div", role="img")) == 7


def test_report_never_imports_torch():
    code = "import sys, convblocks.report.html, convblocks.report.markdown; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_numbers_as_text_import_no_charts():
    code = "import sys, convblocks.report.markdown; sys.exit('altair' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

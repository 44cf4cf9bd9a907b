"""The page in a browser: silent, self-sufficient, sortable, legible on a phone, in the dark and without JavaScript."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from convblocks.records import Paragraph
from convblocks.report.columns import COLUMNS
from convblocks.report.html import render_html
from tests.report.browsing import opened
from tests.report.conftest import Records, make_design, make_row, make_run, make_summary

pytestmark = pytest.mark.browser

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
CHARTS = ["chart-cost-1", "chart-depth-1", "chart-training-1", "chart-gradients-1", "chart-fields-1"]
VERDICT = [column.title for column in COLUMNS].index("Verdict")
STRUCTURES = [COLUMNS[0].title, *(column.title for column in COLUMNS if column.structure)]
GRADIENT = STRUCTURES.index("Gradient ratio")
TARGET = STRUCTURES.index("Train s to {target}")  # which some designs do not reach


def write(folder: Path, records: Records) -> str:
    path = folder / "report.html"
    path.write_text(
        render_html(records.study, records.designs, records.runs, records.summary), encoding="utf-8"
    )
    return path.as_uri()


@pytest.fixture(scope="session")
def address(tmp_path_factory, records) -> str:
    return write(tmp_path_factory.mktemp("report"), records)


def column(page, index: int) -> list[str]:
    script = "index => [...document.querySelectorAll('#structures tbody tr')].map(row => row.cells[index].innerText)"
    return [text.split("\n")[0].strip() for text in page.evaluate(script, index)]


def test_all_charts_are_drawn_and_the_recommendation_stands_on_top(browser, address, records):
    with opened(browser, address) as page:
        drawn = page.evaluate(
            "[...document.querySelectorAll('.chart')].filter(c => c.querySelector('svg path')).map(c => c.id)"
        )
        assert set(CHARTS) <= set(drawn)
        assert len(drawn) == 7
        headline = page.locator(".headline")
        assert headline.inner_text() == records.summary.headline
        assert headline.bounding_box()["y"] < 600
        widths = page.evaluate(
            "[...document.querySelectorAll('.chart svg')].map(s => s.getBoundingClientRect().width)"
        )
        assert min(widths) > 400


def test_nothing_scrolls_sideways_at_1280_pixels(browser, tmp_path, address, make):
    labels = [f"preactivation_bottleneck-{n}" for n in (4, 16)]
    designs = [make_design(label, 56, widths=(16, 32, 64, 128, 256)) for label in labels]
    runs = tuple(make_run(design, seed) for design in designs for seed in range(10))
    rows = tuple(make_row(design) for design in designs)
    long = make(designs=tuple(designs), runs=runs, summary=make_summary(rows, recommended=designs[0].name))
    for place in (address, write(tmp_path, long)):
        with opened(browser, place) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= 1280
            for table in page.locator("#designs .scroll").all():
                assert table.evaluate("e => e.scrollWidth <= e.clientWidth")


def test_the_verdict_is_seen_on_a_phone(browser, address):
    with opened(browser, address, viewport={"width": 360, "height": 900}) as page:
        seen, cell = (
            place.bounding_box()
            for place in (page.locator("#scores"), page.locator("#scores th").nth(VERDICT))
        )
        assert cell["x"] + cell["width"] <= seen["x"] + seen["width"] + 1
        caption = page.locator("#scores caption span").bounding_box()
        assert caption["x"] + caption["width"] <= seen["x"] + seen["width"]


def test_intervals_and_quartiles_stay_within_their_plot(browser, tmp_path, make):
    designs = [make_design(label) for label in ("simple", "residual-2", "bottleneck-4")]
    rows = [make_row(design) for design in designs]
    spread = [(0.02, 0.9), (0.3, 40.0), (0.9, 1.6)]
    rows = [
        replace(row, latency=replace(row.latency, lower_ms=low, upper_ms=high))
        for row, (low, high) in zip(rows, spread, strict=True)
    ]
    records = make(
        designs=tuple(designs), runs=tuple(make_run(d, 0) for d in designs), summary=make_summary(tuple(rows))
    )
    with opened(browser, write(tmp_path, records)) as page:
        box = "e => (({left, right, top, bottom}) => [left, top, right, bottom])(e.getBoundingClientRect())"
        plot = page.locator("#chart-cost-1 .background").first.evaluate(box)
        bars = [bar.evaluate(box) for bar in page.locator("#chart-cost-1 .mark-rule.role-mark line").all()]
        assert len(bars) >= 6
        for left, top, right, bottom in bars:
            assert left > plot[0]
            assert right < plot[2]  # not cut at the edge either
            assert top >= plot[1] - 1
            assert bottom <= plot[3] + 1


def test_headers_sort_numbers_as_numbers_with_missing_ones_last(browser, address):
    with opened(browser, address) as page:
        header = page.locator("#structures thead th").nth(TARGET)
        assert header.get_attribute("aria-sort") is None
        page.locator("#structures thead th").first.get_by_role("button").dblclick()
        assert column(page, TARGET)[0] == "—"  # so that those at the end were brought there
        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == "ascending"
        up = column(page, TARGET)
        assert up[-2:] == ["—", "—"]
        numbers = [float(text) for text in up[:-2]]
        assert numbers == sorted(numbers)
        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == "descending"
        down = column(page, TARGET)
        assert [float(text) for text in down[:-2]] == numbers[::-1]
        assert down[-2:] == ["—", "—"]
        assert "descending" in page.locator("#sorted").inner_text()
        assert page.locator("[aria-sort]").count() == 1


def test_powers_of_ten_sort_as_numbers(browser, address):
    with opened(browser, address) as page:
        page.locator("#structures thead th").nth(GRADIENT).get_by_role("button").click()
        assert column(page, GRADIENT) == [
            "2.4×10⁻⁷",
            "0.71",
            "0.90",
            "1.1",
            "1.4",
            "1.9",
            "2.2",
            "2.6",
            "3.8",
            "6.1",
        ]


def test_headers_sort_by_keyboard(browser, address):
    with opened(browser, address) as page:
        button = page.locator("#structures thead th").first.get_by_role("button")
        button.focus()
        page.keyboard.press("Enter")
        names = column(page, 0)
        assert names[0] == "bottleneck-4-d8"  # and not d56, as plain text would have it
        page.keyboard.press("Space")
        assert column(page, 0) == names[::-1]


def test_a_phone_shows_it_without_scrolling_sideways(browser, address):
    with opened(browser, address, viewport={"width": 360, "height": 740}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        table = page.locator("#scores")
        assert table.evaluate("e => e.scrollWidth > e.clientWidth")
        table.evaluate("e => { e.scrollLeft = 500 }")
        name = page.locator("#scores tbody th").first
        assert 0 <= name.bounding_box()["x"] < 40
        page.locator("summary").first.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_dark_and_light_follow_the_system_and_its_changes(browser, address):
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    mark = "getComputedStyle(document.querySelector('#chart-cost-1 .mark-symbol path')).fill"
    label = "getComputedStyle(document.querySelector('#chart-cost-1 .role-axis-label text')).fill"
    with opened(browser, address, color_scheme="light") as page:
        light = [page.evaluate(script) for script in (ground, mark, label)]
        page.emulate_media(color_scheme="dark")
        dark = [page.evaluate(script) for script in (ground, mark, label)]
        assert light[0] == "rgb(255, 255, 255)"
        assert all(a != b for a, b in zip(light, dark, strict=True))
        page.emulate_media(color_scheme="dark", media="print")  # ink on white paper whatever the screen
        assert [page.evaluate(script) for script in (ground, mark, label)] == light


def test_without_javascript_the_text_and_the_tables_are_there(browser, address, records):
    with opened(browser, address, java_script_enabled=False) as page:
        assert page.locator(".headline").is_visible()
        assert page.locator("#scores tbody tr").count() == len(records.designs)
        notes = page.locator("figure noscript p")  # which get_by_text skips
        assert [note.is_visible() for note in notes.all()] == [True] * 5
        assert page.locator(".panel", has_text="Stack depth 8").first.is_hidden()
        page.locator("summary").first.click()
        assert page.locator("details table").first.is_visible()
        assert page.get_by_role("button").count() == 0


def test_text_from_outside_stays_text(browser, tmp_path, make, records):
    design = make_design(name=f"{EVIL}-d8")
    study = replace(
        records.study, name=EVIL, command=EVIL, data=replace(records.study.data, name=EVIL, classes=(EVIL,))
    )
    summary = make_summary(
        (make_row(design),), recommended=design.name, headline=EVIL, paragraphs=(Paragraph(EVIL, EVIL),)
    )
    evil = make(study=study, designs=(design,), runs=(make_run(design, 0),), summary=summary)
    with opened(browser, write(tmp_path, evil)) as page:
        assert page.locator(".headline").inner_text() == EVIL
        assert page.locator("img").count() == 0
        page.locator("#chart-cost-1 .mark-symbol path").first.hover()
        page.locator("#vg-tooltip-element.visible").wait_for()
        assert EVIL in page.locator("#vg-tooltip-element").inner_text()
        assert page.locator("img").count() == 0


def test_sixty_designs_odd_figures_and_nothing_at_all_are_silent(browser, tmp_path, make):
    labels = tuple(f"residual-{n}" for n in range(100, 130))
    odd = make_design(gradient_norms=(0.5, float("nan"), 0.0, float("inf")), receptive_field=("all", None))
    studies = {
        "many": make(labels=labels),
        "odd": make(designs=(odd,), runs=(), summary=make_summary((make_row(odd, seeds=1, latency=None),))),
        "none": make(designs=(), runs=(), summary=make_summary((), recommended=None)),
    }
    for name, records in studies.items():
        folder = tmp_path / name
        folder.mkdir()
        with opened(browser, write(folder, records), viewport={"width": 360, "height": 740}) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= 360

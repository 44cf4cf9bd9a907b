"""The page of an analysis in a browser: silent, sortable, legible on a phone, in the dark and without JavaScript."""

import pytest
import torch
from torch import nn

from convblocks import analyze
from convblocks.advice import advise
from convblocks.cli.picture import picture
from tests.report.analysed import EVIL, SIZE, net, page
from tests.report.browsing import opened

pytestmark = pytest.mark.browser

MACS = 4  # the table's column


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    html = page(analyze(net(), SIZE), picture=picture(None, SIZE), advice=advise(net(), SIZE))
    file = tmp_path_factory.mktemp("analysis") / "page.html"
    file.write_text(html, encoding="utf-8")
    return file.as_uri()


def test_charts_and_frames_are_drawn_and_nothing_is_asked_for(browser, address):
    with opened(browser, address) as shown:
        marks = (
            "[...document.querySelectorAll('.chart')]"
            ".map(c => c.querySelectorAll('.mark-rect path, .mark-symbol path').length)"
        )
        assert all(number > 3 for number in shown.evaluate(marks))
        assert len(shown.evaluate(marks)) == 5
        frames = shown.locator(".drawing .frame")
        boxes = [frame.bounding_box() for frame in frames.all()]
        assert len(boxes) == shown.locator(".drawing li").count() > 2
        image = shown.locator(".drawing image").bounding_box()
        assert image["width"] > 150
        assert boxes[0]["width"] < image["width"] < boxes[-1]["width"]
        loaded = (
            "async u => { const i = new Image(); i.src = u; await i.decode(); return [i.width, i.height] }"
        )
        uri = shown.locator(".drawing image").get_attribute("href")
        assert shown.evaluate(loaded, uri) == [27, 21]


def test_the_table_sorts_by_macs(browser, address):
    found = [layer.macs for layer in analyze(net(), SIZE).layers]
    keys = (
        "i => [...document.querySelectorAll('#layers tbody tr')].map(r => Number(r.cells[i].dataset.value))"
    )
    with opened(browser, address) as shown:
        assert shown.evaluate(keys, MACS) == found
        header = shown.locator("#layers thead th").nth(MACS)
        header.get_by_role("button").click()
        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == "descending"
        assert shown.evaluate(keys, MACS) == sorted(found, reverse=True)


def test_phone_dark_and_no_javascript(browser, address):
    with opened(browser, address, viewport={"width": 360, "height": 740}) as shown:
        assert shown.evaluate("document.documentElement.scrollWidth") <= 360
        assert shown.locator(".drawing > svg").bounding_box()["width"] > 250
    ground = "getComputedStyle(document.querySelector('.drawing .outside')).fill"
    with opened(browser, address, color_scheme="light") as shown:
        light = shown.evaluate(ground)
        shown.emulate_media(color_scheme="dark")
        assert shown.evaluate(ground) != light
    with opened(browser, address, java_script_enabled=False) as shown:
        assert shown.locator("#layers tbody tr").count() == len(net())
        assert shown.locator(".drawing .frame").first.is_visible()
        assert all(note.is_visible() for note in shown.locator("figure noscript p").all())


def test_a_module_called_script_stays_text(browser, tmp_path):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.conv(torch.cummax(x, -1)[0])

    Odd.__name__ = EVIL
    file = tmp_path / "odd.html"
    file.write_text(page(analyze(Odd(), (3, 8, 8)), target=EVIL), encoding="utf-8")
    with opened(browser, file.as_uri()) as shown:
        assert shown.locator("h1").inner_text() == EVIL
        assert EVIL in shown.locator(".lede").inner_text()

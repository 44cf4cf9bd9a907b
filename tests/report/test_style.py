"""Colours of the page: enough contrast for text and for the charts' symbols, light and dark."""

import re
from importlib.resources import files

import pytest

PAGE = files("convblocks.report").joinpath("page.css").read_text(encoding="utf-8")


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast_is_enough(scheme):
    block = re.findall(r":root \{(.*?)\}", PAGE, flags=re.S)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
    for text in ("ink", "muted", "accent"):
        for ground in ("paper", "raised", "tint"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for number in range(1, 9):  # WCAG 2.2, 1.4.11: 3 for what is no text
        assert contrast(colours[f"series-{number}"], colours["paper"]) >= 3, number
        assert contrast(colours[f"series-{number}"], colours["tint"]) >= 3, number

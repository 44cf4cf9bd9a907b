"""A small network, its analysis and its page, as the tests read them."""

from torch import nn

from convblocks.measure import describe_host
from convblocks.records import Analysis
from convblocks.report.analysis_html import render_analysis
from convblocks.report.field_drawing import Picture

EVIL = "</script><script>alert(1)</script>"
SIZE = (3, 21, 27)
BLANK = Picture("data:image/png;base64,iVBORw0KGgo=", "Nothing to see.")


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 6, 5, stride=2, padding=2),
        nn.Conv2d(6, 6, 3, stride=3, dilation=2),
        nn.Conv2d(6, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.Conv2d(6, 8, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )


def page(analysis: Analysis, **changes) -> str:
    arguments = {
        "target": "mine.py:make",
        "command": "convblocks analyze mine.py:make",
        "made": "2026-01-01T00:00:00+00:00",
        "host": describe_host(),
        "picture": BLANK,
    }
    return render_analysis(analysis, **arguments | changes)


def values(chart) -> list[dict]:
    """All records of a chart of layers."""
    spec = chart.to_dict()
    return spec["datasets"][spec["layer"][-1].get("data", spec.get("data"))["name"]]

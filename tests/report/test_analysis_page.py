"""The page of an analysis: what is drawn is what the layers see and cost, and what cannot be in it."""

import re
from itertools import pairwise

import pytest
import torch
from torch import nn

from convblocks import analyze
from convblocks.drawing import outline
from convblocks.measure import describe_host
from convblocks.records import Analysis, Finding
from convblocks.report.analysis_html import MOST_BOXES, render_analysis
from convblocks.report.drawing import APART, AROUND, FRAMES, Box, Picture, drawing
from convblocks.report.layer_columns import COLUMNS
from convblocks.report.layer_figures import layer_figures
from tests.report.page import Page, text_of

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
    given = {
        "target": "mine.py:make",
        "command": "convblocks analyze mine.py:make",
        "made": "2026-01-01T00:00:00+00:00",
        "host": describe_host(),
        "picture": BLANK,
    }
    return render_analysis(analysis, **given | changes)


@pytest.fixture(scope="module")
def found() -> Analysis:
    return analyze(net(), SIZE)


def seen_by(model: nn.Sequential, layers: int, size: tuple[int, int], at: tuple[int, int]) -> Box:
    """The box of the pixels that the gradient of one output reaches."""
    torch.manual_seed(0)
    x = torch.randn(1, 3, *size, requires_grad=True, dtype=torch.float64)
    model[:layers].double().eval()(x)[0, :, at[0], at[1]].sum().backward()
    rows, columns = (torch.nonzero(x.grad[0].abs().sum((0, axis)))[:, 0] for axis in (2, 1))
    first, last = [int(i.min()) for i in (rows, columns)], [int(i.max()) + 1 for i in (rows, columns)]
    return Box(first[1], first[0], last[1] - first[1], last[0] - first[0])


def test_frames_are_what_autograd_reaches_from_the_central_output():
    size = (61, 75)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, (5, 3), stride=2), nn.Conv2d(4, 4, 3, dilation=2)
    )
    found = analyze(model, (3, *size))
    frames = drawing(found).frames
    assert [frame.layer for frame in frames] == ["0", "1", "2"]
    for frame, layer in zip(frames, found.layers, strict=True):
        axes = zip(size, layer.receptive_field, strict=True)
        places = [((n - 1) / 2 - (low + high) / 2) / step for n, (step, low, high) in axes]
        boxes = {
            (r, c): seen_by(model, int(layer.name) + 1, size, (r, c))
            for r in {int(places[0]), int(places[0]) + 1}
            for c in {int(places[1]), int(places[1]) + 1}
        }
        off = {
            at: abs(b.x + b.width / 2 - size[1] / 2) + abs(b.y + b.height / 2 - size[0] / 2)
            for at, b in boxes.items()
        }
        assert frame.box in [boxes[at] for at in off if off[at] == min(off.values())]


def test_frames_lie_within_each_other_and_are_few():
    deep = nn.Sequential(*[nn.Conv2d(2, 2, 3, padding=1) for _ in range(120)])
    shown = drawing(analyze(deep, (2, 64, 64)))
    assert 3 < len(shown.frames) <= FRAMES
    sides = [frame.box.width for frame in shown.frames]
    assert all(b >= APART * a for a, b in pairwise(sides))
    assert sides[-1] == 241
    assert shown.frames[-1].beyond
    assert "the whole of the image" in shown.frames[-1].text
    assert shown.view.width <= 64 * (1 + 2 * AROUND) * 1.05
    assert not shown.frames[0].beyond


def test_of_a_volume_a_plane_is_drawn_and_of_a_signal_a_strip():
    volume = drawing(analyze(nn.Conv3d(1, 2, (5, 3, 7)), (1, 20, 30, 40)), BLANK)
    assert (volume.frames[0].box.width, volume.frames[0].box.height) == (7, 3)
    assert volume.picture is None
    signal = drawing(analyze(nn.Conv1d(1, 2, 9), (1, 50)), BLANK)
    assert signal.frames[0].box == Box(20, 0, 9, 10)
    assert "18\N{NO-BREAK SPACE}% of the input" in signal.frames[0].text
    assert drawing(analyze(nn.Linear(4, 2), (4,))) is None


def test_gates_do_not_hide_what_layers_see():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.squash = nn.Sigmoid()

        def forward(self, x):
            return self.squash(x.mean((2, 3), keepdim=True)) * x

    found = analyze(nn.Sequential(nn.Conv2d(3, 4, 3), Gate(), nn.Conv2d(4, 4, 3)), (3, 16, 16))
    assert found.layers[-1].receptive_field == ("all", "all")
    assert found.layers[-1].local_field == ((1, 0, 4), (1, 0, 4))
    assert [layer.productive for layer in found.layers if layer.macs] == [True, True]
    assert all(layer.productive is not False for layer in found.layers)
    assert [frame.text.split()[0] for frame in drawing(found).frames] == ["3", "5"]
    assert "What gates such as squeeze-excite show" in layer_figures(found)[1].reading


def values(chart) -> list[dict]:
    """All records of a chart of layers."""
    spec = chart.to_dict()
    return spec["datasets"][spec["layer"][-1].get("data", spec.get("data"))["name"]]


def test_bars_add_up_to_the_totals_and_faint_ones_are_unproductive(found):
    costs = layer_figures(found)[0]
    assert [panel.title for panel in costs.panels] == ["MACs", "Parameters", "Saved for the backward pass"]
    macs, params, saved = (values(panel.chart) for panel in costs.panels)
    assert sum(bar["figure"] for bar in macs) == found.macs
    assert sum(bar["figure"] for bar in params) == found.params
    assert sum(bar["figure"] for bar in saved) * 1024 == pytest.approx(found.saved_bytes)
    assert {bar["layer"] for bar in macs if bar["wasted"]} == {layer.name for layer in found.unproductive}
    assert {bar["layer"] for bar in macs if bar["wasted"]} == {"6"}  # 3 + 4·1 + 4·2 + 2·6 = 27


def test_dots_are_the_fields_along_each_axis(found):
    fields = layer_figures(found)[1]
    assert [panel.title for panel in fields.panels] == ["Along the height", "Along the width"]
    dots = {dot["layer"]: dot["size"] for dot in values(fields.panels[0].chart)}
    assert dots == {
        layer.name: layer.receptive_field[0][2] - layer.receptive_field[0][1] + 1
        for layer in found.layers
        if layer.receptive_field[0] != "all"
    }


def test_the_table_has_every_layer_and_sorts_by_number(found):
    html = Page(page(found))
    table = html.all("table", **{"data-sortable": None})
    assert len(table) == 1
    heads = [e["data-value"] for e in html.all("th", scope="row")]
    assert heads == [layer.name for layer in found.layers]
    assert [e["text"] for e in html.all("th", scope="col")] == [column.title for column in COLUMNS]
    cells = html.all("td")
    macs = [e["data-value"] for e in cells[3 :: len(COLUMNS) - 1]]
    assert [int(value) for value in macs] == [layer.macs for layer in found.layers]


def test_header_conditions_and_text_alternatives(found):
    html = Page(page(found))
    text = " ".join(text_of(html).split())
    assert "Sequential, input 3×21×27, one image." in text
    assert "1 unproductive layer with MACs, from 6: what enters already sees the whole 21×27 image" in text
    assert "MACs are not time" in text
    assert "convblocks analyze mine.py:make" in text
    assert f"torch {torch.__version__}" in text
    assert "2026-01-01" in text
    assert all(e["aria-label"] for e in html.all("div", role="img"))
    (svg,) = [e for e in html.all("svg") if e.get("role") == "img"]
    assert all(frame.text in svg["aria-label"] for frame in drawing(found).frames)
    assert html.all("image")[0]["href"] == BLANK.uri
    assert "Advice" not in text


def test_the_network_is_drawn_unless_that_would_be_heavy(found):
    html = page(found, outline=outline(net(), SIZE))
    assert "<desc>Sequential 0 input, 3 channels, 21×27 1 3×3 conv, 3 → 4; ReLU; sees 3×3 2" in html
    assert "The network, drawn" not in page(found)
    for layers, drawn in ((MOST_BOXES - 2, True), (MOST_BOXES - 1, False)):
        uneven = nn.Sequential(*(nn.Conv2d(i, i + 1, 1) for i in range(1, layers + 1)))
        assert ("The network, drawn" in page(found, outline=outline(uneven, (1, 4, 4)))) == drawn


def test_advice_is_told_once_a_rule_with_its_places(found):
    advice = [
        Finding(id="CB101", severity="warning", place=p, message="m", fix="do", figures={})
        for p in ("0", "2")
    ]
    text = " ".join(text_of(Page(page(found, advice=advice))).split())
    assert "CB101, warning At 0 and 2: m. Fix: do." in text


def test_the_same_arguments_give_the_same_text(found):
    assert page(found) == page(Analysis.from_json(found.to_json()))


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

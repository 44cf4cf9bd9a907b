"""Outlines as SVG and as text."""

from xml.etree import ElementTree as ET

from convblocks.drawing import outline
from convblocks.report.outline_svg import outline_svg, outline_text
from tests.report.analysed import SIZE, net

SVG = "{http://www.w3.org/2000/svg}"


def test_the_svg_has_a_rectangle_a_box_and_the_text_as_description():
    drawn = outline(net(), SIZE)
    root = ET.fromstring(outline_svg(drawn))  # noqa: S314 - our own text
    boxes = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") != "again"]
    assert len(boxes) == len(drawn.boxes)
    assert root.find(f"{SVG}title").text == drawn.module
    assert " ".join(outline_text(drawn).split()) == root.find(f"{SVG}desc").text
    assert float(root.get("width")) <= 600


def test_the_text_has_a_numbered_line_a_box_within_the_width():
    drawn = outline(net(), SIZE)
    lines = outline_text(drawn, columns=60).splitlines()
    assert lines[0] == drawn.module
    assert max(map(len, lines)) <= 60
    numbers = [int(line[:3]) for line in lines[1:] if line[:3].strip().isdigit()]
    assert numbers == list(range(len(drawn.boxes)))

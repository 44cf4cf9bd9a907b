"""Receptive fields drawn over an image: a frame around the input that the central output of a layer sees.

Fields are local ones, without what gates show of the whole input. All in pixels of the input, so that the template
needs no arithmetic. Of volumes the plane of the last two axes is drawn, of signals a strip.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from convblocks.formatting import significant
from convblocks.records import Analysis, Layer
from convblocks.report.scales import COLOURS
from convblocks.report.totals import bounded, extent

FRAMES = len(COLOURS) - 1
# a frame is as many times as large as the one within, so that none hides another
APART = 1.3
# part of the image that is shown on each side of it, at most
AROUND = 0.5
# height of a signal's drawing, as a part of its length
STRIP = 0.2


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of the input's size to draw on, as a data URI, and its caption."""

    uri: str
    caption: str


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the input."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Frame:
    """The receptive field of the central output of one layer.

    Attributes:
        number: from the smallest field on.
        layer: its name.
        text: the field's size, and which part of the image that is.
        box: the field in pixels of the input.
        colour: of the frame.
        beyond: no edge of the field is within the drawing.
    """

    number: int
    layer: str
    text: str
    box: Box
    colour: str
    beyond: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """Frames over an image; `view` holds the image, and the frames as far as there is room around it."""

    image: Box
    view: Box
    frames: tuple[Frame, ...]
    picture: Picture | None

    @property
    def description(self) -> str:
        """The drawing as text, for readers who cannot see it."""
        return "; ".join(f"{frame.layer}: {frame.text}" for frame in self.frames)


def drawing(analysis: Analysis, picture: Picture | None = None) -> Drawing | None:
    """Returns the fields over `picture`; None where no layer has a field that is known along every axis."""
    size = analysis.spatial_size
    layers = chosen(analysis.layers)
    if not size or not layers:
        return None
    width = size[-1]
    height = size[-2] if len(size) > 1 else STRIP * width
    image = Box(0, 0, width, height)
    noun = "image" if len(size) == 2 else "input"
    boxes = [_box(layer, size, height) for layer in layers]
    view = _view(image, boxes)
    frames = [
        Frame(
            number=number,
            layer=layer.name or layer.type,
            text=f"{extent(layer.local_field)} px, {_share(box, image)} of the {noun}",
            box=box,
            colour=COLOURS[(number - 1) % len(COLOURS)],
            beyond=_within(view, box) and box != view,
        )
        for number, (layer, box) in enumerate(zip(layers, boxes, strict=True), 1)
    ]
    return Drawing(image, view, tuple(frames), picture if len(size) == 2 else None)


def chosen(layers: Sequence[Layer]) -> list[Layer]:
    """Returns the last layer of each resolution, or layers of fields well apart where there are few of those."""
    bounded_layers = [layer for layer in layers if bounded(layer.local_field)]
    by_step = {tuple(axis[0] for axis in layer.local_field): layer for layer in bounded_layers}  # type: ignore[index]
    ends = _apart(list(by_step.values()))
    framed = ends if len(ends) > 2 else _apart(bounded_layers)
    if len(framed) <= FRAMES:
        return framed
    return [framed[round(i * (len(framed) - 1) / (FRAMES - 1))] for i in range(FRAMES)]


def _area(layer: Layer) -> float:
    area = 1.0
    for axis in layer.local_field:
        assert isinstance(axis, tuple)
        area *= axis[2] - axis[1] + 1
    return area


def _apart(layers: Sequence[Layer]) -> list[Layer]:
    """Returns, from the largest field down, each that is smaller than the one around it by APART along each axis."""
    kept: list[Layer] = []
    for layer in sorted(layers, key=_area, reverse=True):
        power = len(layer.local_field)
        if not kept or _area(layer) * APART**power <= _area(kept[-1]):
            kept.append(layer)
    return kept[::-1]


def _box(layer: Layer, size: Sequence[int], height: float) -> Box:
    spans = [_span(axis, n) for axis, n in zip(layer.local_field, size, strict=True)]
    (left, right), (top, bottom) = spans[-1], spans[-2] if len(spans) > 1 else (0.0, height)
    return Box(left, top, right - left, bottom - top)


def _span(axis: object, n: int) -> tuple[float, float]:
    """Returns the pixels that the output nearest to the image's centre sees: first, and end of the last."""
    assert isinstance(axis, tuple)
    step, low, high = axis
    at = (
        ceil(((n - 1) / 2 - (low + high) / 2) / step - 0.5) if step else 0
    )  # the first of two that are as near
    return step * at + low, step * at + high + 1


def _view(image: Box, boxes: Sequence[Box]) -> Box:
    reach_x, reach_y = AROUND * image.width, AROUND * image.height
    left = max(-reach_x, min(0, *(box.x for box in boxes)))
    top = max(-reach_y, min(0, *(box.y for box in boxes)))
    right = min(image.width + reach_x, max(image.width, *(box.x + box.width for box in boxes)))
    bottom = min(image.height + reach_y, max(image.height, *(box.y + box.height for box in boxes)))
    rim = 0.02 * max(right - left, bottom - top)
    return Box(left - rim, top - rim, right - left + 2 * rim, bottom - top + 2 * rim)


def _within(a: Box, b: Box) -> bool:
    return b.x <= a.x and b.y <= a.y and a.x + a.width <= b.x + b.width and a.y + a.height <= b.y + b.height


def _share(box: Box, image: Box) -> str:
    if _within(image, box):
        return "the whole"
    wide = min(box.x + box.width, image.width) - max(box.x, 0)
    high = min(box.y + box.height, image.height) - max(box.y, 0)
    return f"{significant(100 * wide * high / (image.width * image.height), 2)}\N{NO-BREAK SPACE}%"

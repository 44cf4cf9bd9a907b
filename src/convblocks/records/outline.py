"""The drawing of a module: boxes at rows and lanes, and the lines between them; the main path is lane 0."""

from msgspec import Struct


class Box(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One layer with what follows it alone, such as a norm, or a place where paths meet."""

    text: str  # 3×3 conv, 64 → 128, stride 2
    detail: str = ""  # batch norm, relu
    sees: str = ""  # of the input, in pixels: 5×5
    joins: bool = False  # whether paths meet in it
    row: int
    lane: int


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """A line from box to box, by number, along a lane."""

    start: int
    end: int
    lane: int


class Repeat(Struct, frozen=True, forbid_unknown_fields=True):
    """Boxes `start` to `end` come so many times; each time takes what the one before puts out."""

    start: int
    end: int
    times: int


class Outline(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A drawing; its boxes are in order of execution, the input first and the output last."""

    module: str
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    axes: tuple[str, ...] = ()  # of the input
    axes_assumed: str = ""  # why, if they are
    repeats: tuple[Repeat, ...] = ()  # in order, apart from each other

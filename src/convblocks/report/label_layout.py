"""Places of names in a chart so that none covers another or a point, estimated before the chart is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

# names in one chart
MOST = 8
# width of a letter, as a part of the narrowest chart (a phone's); height of a line, as a part of the chart
LETTER = 6.8 / 290
LINE = 15 / 360
TOP = 0.02


@dataclass(frozen=True, slots=True)
class Point:
    """A named point: `x` from the left and `y` from the top, both as parts of the chart."""

    name: str
    x: float
    y: float

    @property
    def leftwards(self) -> bool:
        """True where the name grows to the left: towards the middle, where there is room."""
        return self.x > 0.5

    @property
    def reach(self) -> tuple[float, float]:
        """Start and end of its name along x."""
        width = LETTER * (len(self.name) + 1)
        return (self.x - width, self.x) if self.leftwards else (self.x, self.x + width)


def heights(points: Sequence[Point], nameless: Sequence[Point] = ()) -> dict[str, float]:
    """Returns the height of each name: above its point and the names that it would touch, and clear of all points.

    The outermost names come last and so stand highest; then no line from a point up to its name crosses another.
    """
    rightwards = sorted((p for p in points if not p.leftwards), key=lambda p: -p.x)
    leftwards = sorted((p for p in points if p.leftwards), key=lambda p: p.x)
    placed: list[tuple[Point, float]] = []
    for point in [*rightwards, *leftwards]:
        low, high = point.reach
        spanned = [other.y for other in (*points, *nameless) if low <= other.x <= high]
        touched = [y for other, y in placed if other.reach[0] <= high and low <= other.reach[1]]
        height = min([y - LINE for y in (point.y, *touched)])
        while covered := [y for y in spanned if -1.35 * LINE < y - height < 0.75 * LINE]:
            height = min(covered) - LINE
        placed.append((point, max(TOP, height)))
    return {point.name: height for point, height in placed}


def few(names: Sequence[str], always: str | None) -> list[str]:
    """Returns at most MOST of the names, evenly chosen, and `always` in any case."""
    last = len(names) - 1
    chosen = names if last < MOST else [names[round(i * last / (MOST - 1))] for i in range(MOST)]
    return [*chosen, *([always] if always and always not in chosen else [])]

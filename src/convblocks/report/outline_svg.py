"""An outline as SVG, and as text for a terminal. The SVG is 600 px wide or less."""

from itertools import count
from xml.sax.saxutils import escape, quoteattr

from convblocks.records.outline import Box, Outline, Repeat
from convblocks.text import escaped, listed, shown

WIDTH, GAP, NARROW, TOP, HEIGHT, STEP = 600, 12, 26, 16, 40, 66
# px of a letter at the widest
LETTER, SMALL = 7.0, 6.0
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1a1a1a}.small{font-size:11px;fill:#555}.times{font-weight:600}"
    "rect{fill:#eef3fa;stroke:#33567f}path{fill:none;stroke:#33567f;stroke-width:1.5}"
    "rect.again{fill:none;stroke:#777;stroke-dasharray:4 3}"
    "@media(prefers-color-scheme:dark){text{fill:#eee}.small{fill:#bbb}rect{fill:#22304a;stroke:#8fb3e6}"
    "path{stroke:#8fb3e6}rect.again{fill:none;stroke:#999}}"
)


def outline_svg(outline: Outline, *, style: str = STYLE) -> str:
    """Returns one SVG that needs nothing else, with a title and a description for readers who cannot see it.

    Args:
        outline: the boxes and lines of a module.
        style: "" within a page that has a style for ``svg.outline`` of its own; the default follows light and dark.
    """
    lanes = 1 + max([box.lane for box in outline.boxes] + [line.lane for line in outline.lines])
    filled = {box.lane for box in outline.boxes} | {0}
    room = (WIDTH - 2 * GAP - NARROW * (lanes - len(filled))) / len(filled)
    wide = min(room, 24 + max(_letters(box) for box in outline.boxes))
    widths = [wide if lane in filled else NARROW for lane in range(lanes)]
    left = [GAP + sum(widths[:lane]) for lane in range(lanes + 1)]
    middle = [left[lane] + widths[lane] / 2 for lane in range(lanes)]
    rows = 1 + max(box.row for box in outline.boxes)
    parts = [_again(outline, repeat, left) for repeat in outline.repeats]
    parts += [
        _line(outline.boxes[line.start], outline.boxes[line.end], middle, line.lane) for line in outline.lines
    ]
    parts += [_box(box, left[box.lane], wide) for box in outline.boxes]
    across, down = round(left[-1] + GAP), TOP + rows * STEP
    description = escape(" ".join(outline_text(outline).split()))
    return escaped(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="outline" viewBox="0 0 {across} {down}" width="{across}" '
        f'role="img" aria-label={quoteattr(outline.module)}><title>{escape(outline.module)}</title>'
        f"<desc>{description}</desc>{f'<style>{style}</style>' if style else ''}{''.join(parts)}</svg>\n"
    )


def _letters(box: Box) -> float:
    return max(LETTER * len(box.text), SMALL * len(_below(box)))


def _below(box: Box) -> str:
    return " · ".join(filter(None, (box.detail, f"sees {box.sees}" if box.sees else "")))


def _again(outline: Outline, repeat: Repeat, left: list[float]) -> str:
    """Draws a frame around boxes that come several times in a row."""
    numbers = range(repeat.start, repeat.end + 1)
    boxes = [outline.boxes[i] for i in numbers]
    lanes = [box.lane for box in boxes] + [line.lane for line in outline.lines if line.end in numbers]
    x, end = left[min(lanes)] - 1, left[max(lanes) + 1] + 1
    y = TOP + min(box.row for box in boxes) * STEP - 15
    bottom = TOP + max(box.row for box in boxes) * STEP + HEIGHT + 4
    return (
        f'<rect class="again" x="{x:g}" y="{y}" width="{end - x:g}" height="{bottom - y}" rx="5"/>'
        f'<text class="times" x="{x + 6:g}" y="{y + 12}">×{repeat.times}</text>'
    )


def _line(start: Box, end: Box, middle: list[float], lane: int) -> str:
    a, b, x = middle[start.lane], middle[end.lane], middle[lane]
    top, bottom = TOP + start.row * STEP + HEIGHT, TOP + end.row * STEP
    if a == b == x:
        return f'<path d="M{a:g},{top}V{bottom}"/>'
    # between the frames of repeated boxes
    leave, enter = top + 8, bottom - 7
    return f'<path d="M{a:g},{top}V{leave}H{x:g}V{enter}H{b:g}V{bottom}"/>'


def _box(box: Box, left: float, wide: float) -> str:
    y, x, inside = TOP + box.row * STEP, left + 4, wide - 8
    below, middle = _below(box), x + inside / 2
    corner = HEIGHT / 2 if box.joins else 5
    title = f"<title>{escape(' · '.join(filter(None, (box.text, below))))}</title>"
    cut = escape(_cut(box.text, inside, LETTER))
    text = f'<text x="{middle:g}" y="{y + (17 if below else 25)}" text-anchor="middle">{cut}</text>'
    if below:
        cut = escape(_cut(below, inside, SMALL))
        text += f'<text class="small" x="{middle:g}" y="{y + 32}" text-anchor="middle">{cut}</text>'
    return (
        f'<g>{title}<rect x="{x:g}" y="{y}" width="{inside:g}" height="{HEIGHT}" rx="{corner:g}"/>{text}</g>'
    )


def _cut(text: str, wide: float, letter: float = 1) -> str:
    most = max(4, int(wide / letter))
    return text if len(text) <= most else text[: most - 1] + "…"


def outline_text(outline: Outline, columns: int = 80) -> str:
    """Returns a line a box, with its number, and the sources of a box that does not follow the one above.

    A bracket on the left holds what comes several times together.
    """
    marks = _marks(outline)
    lines = [shown(outline.module)]
    for i, (box, mark) in enumerate(zip(outline.boxes, marks, strict=True)):
        sources = [line.start for line in outline.lines if line.end == i]
        first = f"{i:>3}  {mark}{'    ' * min(box.lane, 3)}{shown(box.text)}"
        after = [shown(box.detail), f"sees {box.sees}" if box.sees else ""]
        if sources not in ([i - 1], []):
            after.insert(0, f"from {listed(sources)}")
        whole = "; ".join(filter(None, (first, *after)))
        if len(whole) <= columns:
            lines.append(whole)
        else:
            rest = f"     {_under(mark)}    {'; '.join(filter(None, after))}"
            lines += [_cut(first, columns), _cut(rest, columns)]
    return "\n".join(lines) + "\n"


def _under(mark: str) -> str:
    """Returns the mark of a second line to the box."""
    return f"{'│' if set(mark) & set('┌│') else '':>{len(mark) - 1}} " if mark else ""


def _marks(outline: Outline) -> list[str]:
    """Returns the bracket beside each box: ``×3 ┌``, ``│``, ``└``; nothing where nothing repeats."""
    width = max((len(f"×{repeat.times} ") for repeat in outline.repeats), default=0)
    marks = [" " * (width + 2 if width else 0)] * len(outline.boxes)
    for repeat in outline.repeats:
        signs = "┌" + "│" * (repeat.end - repeat.start - 1) + "└" if repeat.end > repeat.start else "["
        for i, sign in zip(count(repeat.start), signs, strict=False):
            prefix = f"×{repeat.times} " if i == repeat.start else ""
            marks[i] = f"{prefix:<{width}}{sign} "
    return marks

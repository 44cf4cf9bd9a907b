"""An outline as SVG, and as text for a terminal. The SVG follows light and dark, and is 600 px wide or less."""

from xml.sax.saxutils import escape

from convblocks.records.outline import Box, Outline

WIDTH, GAP, TOP, HEIGHT, STEP = 600, 12, 14, 40, 62
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1a1a1a}.small{font-size:11px;fill:#555}"
    "rect,circle{fill:#eef3fa;stroke:#33567f}path{fill:none;stroke:#33567f;stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){text{fill:#eee}.small{fill:#bbb}rect,circle{fill:#22304a;stroke:#8fb3e6}"
    "path{stroke:#8fb3e6}}"
)


def outline_svg(outline: Outline) -> str:
    """One SVG file that needs nothing else, with a title and a description for who cannot see it."""
    lanes = 1 + max([box.lane for box in outline.boxes] + [line.lane for line in outline.lines])
    filled = {box.lane for box in outline.boxes} | {0}
    narrow = lanes - len(filled)
    wide = (WIDTH - 2 * GAP - 26 * narrow) / len(filled)
    left = [GAP + sum(wide if k in filled else 26 for k in range(lane)) for lane in range(lanes)]
    middle = [left[k] + (wide if k in filled else 26) / 2 for k in range(lanes)]
    rows = 1 + max(box.row for box in outline.boxes)
    parts = [
        _line(outline.boxes[line.start], outline.boxes[line.end], middle, line.lane) for line in outline.lines
    ]
    parts += [_box(box, left[box.lane], wide) for box in outline.boxes]
    described = escape(" ".join(outline_text(outline).split()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {TOP + rows * STEP}" width="{WIDTH}" '
        f'role="img" aria-labelledby="outline-title outline-words"><title id="outline-title">'
        f'{escape(outline.module)}</title><desc id="outline-words">{described}</desc>'
        f"<style>{STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _line(start: Box, end: Box, middle: list[float], lane: int) -> str:
    a, b, x = middle[start.lane], middle[end.lane], middle[lane]
    top, bottom = TOP + start.row * STEP + HEIGHT, TOP + end.row * STEP
    if a == b == x:
        return f'<path d="M{a:g},{top}V{bottom}"/>'
    leave, enter = top + 7, bottom - 7
    return f'<path d="M{a:g},{top}V{leave}H{x:g}V{enter}H{b:g}V{bottom}"/>'


def _box(box: Box, left: float, wide: float) -> str:
    y, x = TOP + box.row * STEP, left + 4
    inside = wide - 8
    lines = [_cut(box.text, inside, 7.0)]
    below = " · ".join(filter(None, (box.detail, f"sees {box.sees}" if box.sees else "")))
    middle = x + inside / 2
    corner = HEIGHT / 2 if box.joins else 5
    title = f"<title>{escape(' · '.join(filter(None, (box.text, below))))}</title>"
    first, second = (y + 17, y + 32) if below else (y + 25, 0)
    text = f'<text x="{middle:g}" y="{first}" text-anchor="middle">{escape(lines[0])}</text>'
    if below:
        cut = escape(_cut(below, inside, 6.0))
        text += f'<text class="small" x="{middle:g}" y="{second}" text-anchor="middle">{cut}</text>'
    return (
        f'<g>{title}<rect x="{x:g}" y="{y}" width="{inside:g}" height="{HEIGHT}" rx="{corner:g}"/>{text}</g>'
    )


def _cut(text: str, wide: float, letter: float) -> str:
    most = max(4, int(wide / letter))
    return text if len(text) <= most else text[: most - 1] + "…"


def outline_text(outline: Outline, columns: int = 80) -> str:
    """A line a box, with its number, and for a box that does not follow the one above where its inputs come from."""
    found = [outline.module]
    for i, box in enumerate(outline.boxes):
        sources = [line.start for line in outline.lines if line.end == i]
        told = f"{i:>3}  {'    ' * min(box.lane, 3)}{box.text}"
        after = [box.detail, f"sees {box.sees}" if box.sees else ""]
        if sources not in ([i - 1], []):
            after.insert(0, f"of {' and '.join(map(str, sources))}")
        whole = "; ".join(filter(None, (told, *after)))
        found += [whole] if len(whole) <= columns else [_cut(told, columns, 1), _more(after, columns)]
    return "\n".join(found) + "\n"


def _more(after: list[str], columns: int) -> str:
    return _cut(" " * 9 + "; ".join(filter(None, after)), columns, 1)

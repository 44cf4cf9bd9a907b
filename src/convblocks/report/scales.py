"""Shared parts of all charts: a colour and a symbol for each implementation, axes that show what matters, one style.

Colours are CSS variables of the page, so that light, dark and print need no second chart. They are Okabe and
Ito's (2008), distinct for any colour vision; the page shifts the pale ones until they stand out from its
ground. No chart leaves colour alone to tell designs apart: symbols go with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log, log10

import altair as alt

from convblocks.formatting import percent, significant

# from this ratio on, figures stand on a logarithmic axis
FAR = 5

COLOURS = tuple(f"var(--series-{n})" for n in range(1, 9))
SYMBOLS = (  # SVG paths around 0, of about one area
    "M-.9,0A.9,.9,0,1,1,.9,0A.9,.9,0,1,1,-.9,0Z",
    "M-.8,-.8H.8V.8H-.8Z",
    "M0,-1.05L1.1,.85H-1.1Z",
    "M0,-1.15L1.15,0L0,1.15L-1.15,0Z",
    "M-.38,-1.05H.38V-.38H1.05V.38H.38V1.05H-.38V.38H-1.05V-.38H-.38Z",
    "M0,1.05L1.1,-.85H-1.1Z",
    "M1.05,0L-.85,1.1V-1.1Z",
)


@dataclass(frozen=True, slots=True)
class SeriesStyle:
    """Colour and symbol of one implementation in every chart."""

    label: str
    colour: str
    symbol: str


def series_styles(labels: Sequence[str]) -> list[SeriesStyle]:
    """Returns a style for each label.

    8 colours and 7 symbols have no common factor, so 56 labels pass before a pair comes back.
    """
    return [
        SeriesStyle(label, COLOURS[i % len(COLOURS)], SYMBOLS[i % len(SYMBOLS)])
        for i, label in enumerate(labels)
    ]


def colour(labels: Sequence[str]) -> alt.Color:
    """Returns the colours of the labels, without a legend: the page draws one for all charts."""
    scale = alt.Scale(domain=list(labels), range=[style.colour for style in series_styles(labels)])
    return alt.Color("label:N", scale=scale, legend=None)


def symbol(labels: Sequence[str]) -> alt.Shape:
    """Returns the symbols of the labels, without a legend."""
    scale = alt.Scale(domain=list(labels), range=[style.symbol for style in series_styles(labels)])
    return alt.Shape("label:N", scale=scale, legend=None)


@dataclass(frozen=True, slots=True)
class Span:
    """The range of an axis.

    Attributes:
        low: its start.
        high: its end.
        logarithmic: its scale.
        perfect: of errors: some are 0, which a logarithmic axis can only have at its end.
    """

    low: float
    high: float
    logarithmic: bool
    perfect: bool = False

    def ticks(self) -> list[float]:
        """Returns round numbers within the span."""
        powers = log_ticks(self.low, self.high) if self.logarithmic else []
        return powers if len(powers) > 2 else linear_ticks(self.low, self.high)

    def scale(self, *, reverse: bool = False) -> alt.Scale:
        """Returns the span as Vega-Lite's scale."""
        domain = [self.low, self.high]
        if self.logarithmic:
            return alt.Scale(type="log", domain=domain, nice=False, reverse=reverse)
        return alt.Scale(type="linear", domain=domain, nice=False, zero=False, reverse=reverse)

    def part(self, number: float) -> float:
        """Returns the place of a number along the axis, from 0 to 1."""
        if self.logarithmic:
            return log(number / self.low) / log(self.high / self.low)
        return (number - self.low) / (self.high - self.low)

    def at(self, part: float) -> float:
        """Returns the number at a place along the axis, from 0 to 1."""
        if self.logarithmic:
            return float(self.low * (self.high / self.low) ** part)
        return self.low + part * (self.high - self.low)

    def keep(self, number: float) -> float:
        """Returns the number, or the end of the axis that it lies beyond."""
        return min(max(number, self.low), self.high)


def span(numbers: Sequence[float], *, room: float = 0.08, far: float = FAR) -> Span:
    """All of the numbers, with some room around; logarithmic if they are positive and `far` apart."""
    low, high = min(numbers), max(numbers)
    if low > 0 and high / low > far:
        stretch = (high / low) ** room
        return Span(low / stretch, high * stretch, True)
    reach = room * (high - low) or abs(high) / 10 or 1.0
    return Span(low - reach, high + reach, False)


def error_span(scores: Sequence[float], ends: Sequence[float], answers: int) -> Span:
    """Returns an axis of errors (1 − score) that holds the scores and, as far as sensible, their intervals' ends.

    Where the errors are far apart it is logarithmic: 99 from 98 % is as far as 80 from 60 %, and one bad design
    does not press all good ones into a line. Of so many answers (all examples, each seed) half a one is the
    smallest error drawn: it stands for none, and apart from one.
    """
    least = 0.5 / max(1, answers)
    errors = [max(1 - score, least) for score in scores if isfinite(score)]
    base = span(errors)
    reach = [max(1 - end, least) for end in ends if isfinite(end)]
    if base.logarithmic:
        low = max(min([*errors, *reach]), min(errors) / 3)
        perfect = min(errors) == least
        high = min(1.0, max([*errors, *reach]) * 1.1)
        return Span(least if perfect else low / 1.1, high, True, perfect)
    low, high = min([*errors, *reach]), max([*errors, *reach])
    room = 0.08 * (high - low) or 0.01
    return Span(max(-0.01, low - room), min(1.01, high + room), False)


PERCENT = "format(100 - 100 * datum.value, '.4~g') + '\N{NO-BREAK SPACE}%'"


def score_axis(errors: Span, title: str) -> alt.Axis:
    """Returns an axis of errors, labelled with the scores."""
    ticks = [tick for tick in errors.ticks() if 0 <= tick <= 1]
    if not (errors.logarithmic and errors.perfect):
        return alt.Axis(title=title, values=ticks, labelExpr=PERCENT, labelOverlap=True)
    apart = [tick for tick in ticks if errors.part(tick) > 0.05]
    label = f"datum.value == {errors.low!r} ? '{percent(1)}' : {PERCENT}"
    return alt.Axis(title=title, values=[errors.low, *apart], labelExpr=label, labelOverlap=True)


def log_ticks(low: float, high: float) -> list[float]:
    """Returns 1, 2, 5, 10, … between the ends, or powers of ten alone where there are many.

    >>> log_ticks(0.9, 30)
    [1.0, 2.0, 5.0, 10.0, 20.0]
    """
    decades = range(floor(log10(low)), ceil(log10(high)) + 1)
    if log10(high / low) > 3.5:
        every = ceil(len(decades) / 7)
        return [float(f"1e{n}") for n in decades[::every] if low <= float(f"1e{n}") <= high]
    ticks = [float(f"{first}e{n}") for n in decades for first in (1, 2, 5)]
    return [tick for tick in ticks if low <= tick <= high]


def linear_ticks(low: float, high: float) -> list[float]:
    """Returns four to ten multiples of 1, 2 or 5 times a power of ten.

    >>> linear_ticks(0.012, 0.049)
    [0.02, 0.03, 0.04]
    """
    rough = (high - low) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(power * first for first in (1, 2, 5, 10) if power * first >= rough * 0.999)
    return [round(n * step, 12) for n in range(ceil(low / step), floor(high / step) + 1)]


def plain(number: float) -> str:
    """Returns a tick's text.

    >>> plain(1e-7), plain(0.02), plain(5.0)
    ('10⁻⁷', '0.02', '5')
    """
    if number and not 1e-3 <= abs(number) < 1e5:
        return significant(number, 1).removeprefix("1×")
    return f"{number:g}"


def norm_axis(norms: Span, title: str) -> alt.Axis:
    """Returns an axis of norms, labelled with powers of ten, which D3 cannot write."""
    ticks = norms.ticks()
    texts = "".join(f"datum.value < {tick * 1.01!r} ? '{plain(tick)}' : " for tick in ticks)
    return alt.Axis(title=title, values=ticks, labelExpr=f"{texts}''", labelOverlap=True)


def whole_ticks(last: int) -> list[int]:
    """Returns 1, the last, and between them all numbers or those round ones that leave both room.

    >>> whole_ticks(5), whole_ticks(15), whole_ticks(56)
    ([1, 2, 3, 4, 5], [1, 5, 10, 15], [1, 10, 20, 30, 40, 56])
    """
    if last <= 8:
        return list(range(1, last + 1))
    step = next(
        first * 10**power for power in range(12) for first in (5, 10, 20) if last <= 6 * first * 10**power
    )
    return [1, *(n for n in range(step, last, step) if last - n > 0.7 * step), last]


INK, MUTED, RULE, PAPER = "var(--ink)", "var(--muted)", "var(--rule)", "var(--paper)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"

# Vega-Lite's config, common to all charts of the page
STYLE: dict[str, object] = {
    # the figure's own description says more than one entry for each point
    "aria": False,
    "autosize": {"type": "fit-x", "contains": "padding"},
    "background": None,
    "font": FONT,
    "padding": {"left": 2, "right": 6, "top": 6, "bottom": 2},
    "view": {"stroke": None},
    "axis": {
        "domainColor": RULE,
        "gridColor": RULE,
        "labelColor": MUTED,
        "labelFontSize": 12,
        "labelPadding": 6,
        "ticks": False,
        "titleColor": MUTED,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 8,
    },
    "axisX": {"grid": False},
    # above the axis and level, which reads better than turned text and leaves the width to the chart
    "axisY": {"domain": False, "titleAlign": "left", "titleAngle": 0, "titleX": 0, "titleY": -12},
}

"""Numbers as text: pure functions, the same in HTML, Markdown and the terminal.

Whatever is not a finite number reads as `MISSING`, never as "nan". A minus is a real minus (−), and a number
holds on to its unit with a no-break space, which the examples below show as a plain one.
"""

from math import isfinite

from convblocks.records import Interval

MISSING = "—"
ONE_SEED = "n/a: one seed"
_NBSP = "\N{NO-BREAK SPACE}"
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def percent(part: float | None, *, unit: bool = True) -> str:
    """Returns a part of one in percent, with one decimal.

    >>> percent(0.9741).replace(_NBSP, " ")
    '97.4 %'
    >>> percent(1, unit=False)
    '100.0'
    >>> percent(float("nan"))
    '—'
    """
    if part is None or not isfinite(part):
        return MISSING
    return f"{100 * part:.1f}{_NBSP}%" if unit else f"{100 * part:.1f}"


def points(difference: float | None) -> str:
    """Returns a difference of two parts of one, in percentage points and always with its sign.

    >>> points(-0.0123), points(0.02), points(0.0001)
    ('−1.2', '+2.0', '0.0')
    """
    if difference is None or not isfinite(difference):
        return MISSING
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def accuracy(interval: Interval) -> str:
    """Returns an accuracy and its interval in percent.

    >>> accuracy(Interval(0.974, 0.9612, 0.9849))
    '97.4 [96.1, 98.5]'
    >>> accuracy(Interval(0.974, None, None))
    '97.4 [n/a: one seed]'
    """
    low, high = (percent(end, unit=False) for end in (interval.low, interval.high))
    return f"{percent(interval.estimate, unit=False)} {_ends(low, high)}"


def difference(interval: Interval | None) -> str:
    """Returns a difference of accuracies and its interval in percentage points.

    >>> difference(Interval(-0.031, -0.05, -0.012))
    '−3.1 [−5.0, −1.2]'
    """
    if interval is None:
        return MISSING
    return f"{points(interval.estimate)} {_ends(points(interval.low), points(interval.high))}"


def _ends(low: str, high: str) -> str:
    return f"[{ONE_SEED}]" if MISSING in (low, high) else f"[{low}, {high}]"


def significant(number: float | None, digits: int = 3) -> str:
    """Returns a number of `digits` significant digits; powers of ten outside 0.001 … 99 999.

    >>> significant(1.2345), significant(0.0456), significant(1234.5)
    ('1.23', '0.0456', '1230')
    >>> significant(1.21e-9, 2), significant(float("inf"))
    ('1.2×10⁻⁹', '∞')
    """
    if number is None or number != number:
        return MISSING
    if not isfinite(number):
        return "∞" if number > 0 else "−∞"
    if number == 0:
        return "0"
    mantissa, _, power = f"{number:.{digits - 1}e}".partition("e")
    exponent = int(power)
    if -3 <= exponent <= 4:
        rounded = round(number, digits - 1 - exponent)
        return f"{rounded:.{max(0, digits - 1 - exponent)}f}".replace("-", "−")
    return f"{mantissa}×10{str(exponent).translate(_SUPERSCRIPTS)}".replace("-", "−")


def ratio(number: float | None) -> str:
    """Returns two significant digits: ratios of gradient norms differ by powers of ten.

    >>> ratio(1762), ratio(0.714), ratio(2.4e-7)
    ('1800', '0.71', '2.4×10⁻⁷')
    """
    return significant(number, 2)


def count(number: float | None) -> str:
    """Returns three significant digits and an SI prefix.

    >>> [count(n).replace(_NBSP, " ") for n in (950, 4_990_000, 999_999, 1.5e9)]
    ['950', '4.99 M', '1.00 M', '1.50 G']
    """
    return _scaled(number, 1000, ("", "k", "M", "G", "T", "P"))


def size(number_bytes: float | None) -> str:
    """Returns bytes in binary units, three significant digits.

    >>> [size(n).replace(_NBSP, " ") for n in (512, 4096, 12_700_000)]
    ['512 B', '4.00 KiB', '12.1 MiB']
    """
    return _scaled(number_bytes, 1024, ("B", "KiB", "MiB", "GiB", "TiB", "PiB"))


def _scaled(number: float | None, base: int, units: tuple[str, ...]) -> str:
    if number is None or not isfinite(number):
        return MISSING
    step, unit = 0, units[0]
    # 999.5 and more would show as 1000, which is one step up where the base is 1000
    while abs(number) >= (999.5 if base == 1000 else base) and step < len(units) - 1:
        number, step = number / base, step + 1
        unit = units[step]
    text = significant(number) if step else f"{number:.0f}"
    return f"{text}{_NBSP}{unit}" if unit else text


def milliseconds(ms: float | None, *, unit: bool = True) -> str:
    """Returns three significant digits and the unit.

    >>> milliseconds(0.81234).replace(_NBSP, " ")
    '0.812 ms'
    """
    return _with_unit(significant(ms), "ms" if unit else "")


def seconds(s: float | None, *, unit: bool = True) -> str:
    """Returns three significant digits and the unit.

    >>> seconds(12.345).replace(_NBSP, " ")
    '12.3 s'
    """
    return _with_unit(significant(s), "s" if unit else "")


def _with_unit(text: str, unit: str) -> str:
    return text if text == MISSING or not unit else f"{text}{_NBSP}{unit}"


def p_value(p: float | None) -> str:
    """Returns two significant digits at most, and no false exactness near 0.

    >>> [p_value(p).replace(_NBSP, " ") for p in (0.0312, 0.00002, 1.0, None)]
    ['p = 0.03', 'p < 0.001', 'p = 1.00', '']
    """
    if p is None or not isfinite(p):
        return ""
    if p < 0.001:
        return f"p{_NBSP}<{_NBSP}0.001"
    return f"p{_NBSP}={_NBSP}{p:.{3 if p < 0.01 else 2}f}"

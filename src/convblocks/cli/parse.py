"""Options that are lists or amounts."""

from collections.abc import Sequence

from cyclopts import Token

from convblocks.errors import OptionError

SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


def names(option: str, text: str) -> list[str]:
    """``simple,residual`` as a list without repeats."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise OptionError(option, text, "expected names separated by commas")
    return list(dict.fromkeys(found))


def numbers(option: str, text: str) -> list[int]:
    """``1,2,4`` as a list without repeats."""
    try:
        found = [int(part) for part in names(option, text)]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise OptionError(
            option, text, "expected whole numbers of at least 1, separated by commas, e.g. 1,2,4"
        )
    return list(dict.fromkeys(found))


def whole(_kind: object, tokens: Sequence[Token]) -> int:
    """A whole number as typed; cyclopts by itself would round 1.5."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError:
        # a plain ValueError: cyclopts takes its first argument for the message
        raise ValueError(f"{tokens[0].keyword}={text!r}: expected a whole number") from None


def amount(option: str, text: str) -> int:
    """``5M`` as 5,000,000."""
    number = text.strip().rstrip("kKmMgG")
    suffix = text.strip()[len(number) :].lower()
    try:
        found = round(float(number.replace("_", "").replace(",", "")) * SUFFIXES[suffix])
    except (ValueError, KeyError, OverflowError):
        found = 0
    if found < 1:
        raise OptionError(option, text, "expected a positive amount such as 5M, 250k or 1.2G")
    return found


def shape(option: str, text: str) -> tuple[int, ...]:
    """``3x224x224`` as (3, 224, 224): channels, then 1, 2 or 3 spatial axes."""
    try:
        found = tuple(int(part) for part in text.lower().replace("×", "x").split("x"))
    except ValueError:
        found = ()
    if len(found) not in (2, 3, 4) or min(found) < 1:
        raise OptionError(option, text, "expected channels and 1 to 3 spatial axes, e.g. 3x224x224")
    return found

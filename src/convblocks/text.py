"""Text of messages, tables and reports: lists, plurals and sizes; and names from outside, made safe to show.

Names of files, layers and classes come from outside. Nothing in them may steer a terminal, hide or reorder what
stands beside them, or fail to be written.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

LONGEST = 300
"""The most characters of a name or value that a message repeats."""

MOST_LISTED = 12
"""The most items that a list in a sentence names."""

UNSAFE = re.compile(
    "["
    # control characters but tab and line feed: C0, DEL, C1
    "\x00-\x08\x0b-\x1f\x7f-\x9f"
    # line separators and bidirectional controls
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
    # invisible; the word joiner U+2060 is not among them: the reports use it themselves, to keep figures together
    # and the (non-)joiners U+200C and U+200D, which Persian, Indic scripts and emoji are spelled with
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2061-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f"
    # surrogates: bytes of a file name that are no text
    "\ud800-\udfff"
    "]"
)

PLAIN = {
    **dict(zip("×−–‐→←·…’‘“”≤≥√", "x---><*.''\"\"<>r", strict=True)),
    **dict(zip("│┌└├┐┘─█▏▎▍▌▋▊▉✗Δσ‖\xa0—", "|+++++-#..::###xds| -", strict=True)),
    "±": "+/-",
    "∞": "inf",
    "µ": "u",
}
"""What stands for the signs of our tables and messages where an encoding lacks them; of one letter, to keep columns."""

SUPERSCRIPTS = re.compile("[⁻⁺⁰¹²³⁴-⁹]+")
DIGITS = str.maketrans("⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹", "-+0123456789")

READABLE = "convblocks.readable"
"""Name of the codec error handler that writes what an encoding lacks by signs that it has."""


def listed(items: Iterable[object], last: str = "and", most: int = MOST_LISTED) -> str:
    """Returns the items as a sentence lists them; of more than `most` it names the first and counts the rest.

    >>> listed(["8", "20", "56"], "or")
    '8, 20 or 56'
    >>> listed(range(100), most=3)
    '0, 1, 2 and 97 more'
    """
    names = [str(item) for item in items]
    if len(names) > most:
        return f"{', '.join(names[:most])} {last} {len(names) - most:,} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {last} {names[-1]}"


def plural(number: int, noun: str, nouns: str = "") -> str:
    """Returns a number with its noun, in the plural where the number is not 1.

    >>> plural(1, "seed"), plural(1200, "seed"), plural(2, "class")
    ('1 seed', '1,200 seeds', '2 classes')
    >>> plural(2, "axis", "axes")
    '2 axes'
    """
    return f"{number:,} {noun if number == 1 else nouns or _plural_of(noun)}"


def _plural_of(noun: str) -> str:
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"


def times(sizes: Iterable[object]) -> str:
    """Returns sizes as a shape is written.

    >>> times((3, 224, 224)), times(())
    ('3×224×224', 'one number')
    """
    return "×".join(map(str, sizes)) or "one number"


def sentence(text: str) -> str:
    """Returns the text with a capital letter first, and all others as they are.

    >>> sentence("mean IoU against cost")
    'Mean IoU against cost'
    """
    return text[:1].upper() + text[1:]


def escaped(text: str) -> str:
    r"""Returns text of one or more lines in which each character that is not safe to show is written as its escape.

    >>> print(escaped("a\x1b[2Jb\u202ec\udce9"))
    a\x1b[2Jb\u202ec\xe9
    """
    return UNSAFE.sub(_escape, text)


def one_line(text: str) -> str:
    r"""Returns the same as `escaped`, on one line.

    >>> one_line("no\n  batch ")
    'no batch'
    """
    return escaped(" ".join(text.split()))


def shown(name: object) -> str:
    """Returns a name or value as `escaped` writes it, on one line, without its middle where it is long."""
    text, half = str(name), LONGEST // 2
    if len(text) > LONGEST:
        text = f"{text[:half]}…{text[-half:]}"
    return escaped(text).replace("\n", "\\n").replace("\t", "\\t")


def readable(text: str) -> str:
    r"""Returns text that UTF-8 can hold: bytes that are no text, and halves of characters, become their escapes.

    >>> readable("caf\udce9")
    'caf\\xe9'
    """
    return text.encode("utf-8", READABLE).decode()


def with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """Returns a value of dicts, lists and plain values with each text in it changed, keys too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {with_texts(key, change): with_texts(part, change) for key, part in value.items()}
    return [with_texts(part, change) for part in value] if isinstance(value, list | tuple) else value


def safe_json(text: str) -> str:
    r"""Returns JSON of the same value in which what is not safe to show is written by JSON's own escapes.

    >>> print(safe_json('"a\u202eb"'))
    "a\u202eb"
    """
    return UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    # how Python holds a byte that is not text
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _readable(error: UnicodeError) -> tuple[str, int]:
    """A codec error handler: what cannot be encoded, in ASCII."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    text = SUPERSCRIPTS.sub(lambda match: f"^{match[0].translate(DIGITS)}", escaped(text))
    text = "".join(PLAIN.get(letter, letter) for letter in text)
    return text.encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error(READABLE, _readable)

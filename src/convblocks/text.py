"""Text from outside, such as names of files, layers and classes, made fit to be shown.

Nothing in such text may steer a terminal, hide or reorder what stands beside it, or fail to be written.
"""

import codecs
import json
import re
from collections.abc import Callable
from typing import Any

LONGEST = 300  # characters of a name or value that a message repeats

UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed: C0, DEL, C1
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # line separators and bidirectional controls
    # invisible; the word joiner U+2060 is not among them: the reports use it themselves, to keep figures together
    # and the (non-)joiners U+200C and U+200D, which Persian, Indic scripts and emoji are spelled with
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2061-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f"
    "\ud800-\udfff"  # surrogates: bytes of a file name that are no text
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


def escaped(text: str) -> str:
    r"""Text of one or more lines in which each character that is not safe to show is written as its escape.

    >>> print(escaped("a\x1b[2Jb\u202ec\udce9"))
    a\x1b[2Jb\u202ec\xe9
    """
    return UNSAFE.sub(_escape, text)


def one_line(text: str) -> str:
    """The same as `escaped`, on one line.

    >>> one_line("no\\n  batch ")
    'no batch'
    """
    return escaped(" ".join(text.split()))


def shown(name: object) -> str:
    """A name or the spelling of a value as `escaped` writes it, on one line, without its middle where it is long."""
    text, half = str(name), LONGEST // 2
    if len(text) > LONGEST:
        text = f"{text[:half]}…{text[-half:]}"
    return escaped(text).replace("\n", "\\n").replace("\t", "\\t")


def readable(text: str) -> str:
    r"""Text that UTF-8 can hold: bytes that are no text, and halves of characters, are written as their escapes.

    >>> readable("caf\udce9")
    'caf\\xe9'
    """
    return text.encode("utf-8", READABLE).decode()


def with_texts(value: Any, change: Callable[[str], str]) -> Any:
    """A value of dicts, lists and plain values in which each text, keys too, is changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {with_texts(key, change): with_texts(part, change) for key, part in value.items()}
    return [with_texts(part, change) for part in value] if isinstance(value, list | tuple) else value


def safe_json(text: str) -> str:
    r"""JSON of the same value in which what is not safe to show is written by JSON's own escapes.

    >>> print(safe_json('"a\u202eb"'))
    "a\u202eb"
    """
    return UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that is not text
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

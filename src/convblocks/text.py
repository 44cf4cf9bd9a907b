"""Text from outside, such as names of files, layers and classes, made fit to be shown.

Nothing in such text may steer a terminal, hide or reorder what stands beside it, or fail to be written.
"""

import codecs
import re

LONGEST = 300  # characters of a name that a message repeats

UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed: C0, DEL, C1
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # line separators and bidirectional controls
    # invisible; the word joiner U+2060 is not among them: the reports use it themselves, to keep figures together
    "\u00ad\u180e\u200b\u2061-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
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
    """A name on one line: line breaks and bytes that are not text are escaped, long names cut."""
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(name))
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]}…{text[-half:]}"


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

"""Text from outside: what could steer a terminal or hide text is escaped; what an encoding lacks is spelled."""

import json
import unicodedata

import pytest

from convblocks.text import LONGEST, PLAIN, READABLE, escaped, one_line, safe_json, shown

HOSTILE = {
    "escape sequence": "\x1b[31mred\x1b[0m",
    "operating system command": "\x1b]0;title\x07",
    "C1 form of the same": "\x9b31m and \x9d0;title\x9c",
    "carriage return": "safe\rdanger",
    "backspace": "rm -rf\x08\x08",
    "right-to-left override": "exe\u202egnp",
    "isolates": "\u2066a\u2069",
    "marks": "a\u200e\u200f\u061cb",
    "line separators": "a\u2028b\u2029c",
    "zero width": "pass\u200bword\ufeff",
    "fillers": "a\u3164b\uffa0c\u115fd\u1160e",
    "joiners that join nothing": "pass\u034fword",
    "tag characters": "a\U000e0041",
    "bytes that are no text": b"caf\xe9".decode("utf-8", "surrogateescape"),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_format_or_control_character_is_left(text):
    kinds = {unicodedata.category(letter) for letter in escaped(text)}
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    escaped(text).encode()
    assert escaped(escaped(text)) == escaped(text)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_name_is_shown_as_it_is_escaped(text):
    assert shown(text) == escaped(text)
    assert shown(shown(text)) == shown(text)


def test_a_long_name_is_cut_and_line_breaks_are_escaped():
    assert shown("a\n\tb") == r"a\n\tb"
    assert shown("x" * 10**6 + "end").endswith("xend")
    assert len(shown("x" * 10**6)) == LONGEST + 1


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_json_escapes_by_its_own_means_and_keeps_the_value(text):
    record = json.dumps({text: [text]}, ensure_ascii=False)
    safe = safe_json(record)
    assert escaped(safe) == safe
    assert json.loads(safe) == {text: [text]}


def test_every_control_character_of_unicode_but_tab_and_line_feed():
    left = [
        c for c in map(chr, range(0x110000)) if unicodedata.category(c) in ("Cc", "Cs") and escaped(c) == c
    ]
    assert left == ["\t", "\n"]


@pytest.mark.parametrize(
    "text",
    [
        "Wörter",
        "日本語",
        "3×3 conv → 64",
        "עברית",
        "می\u200cخواهم",
        "क्\u200dष",
        "a\tb\n",
        "५ %",
        "👩\u200d🔬",
    ],
)
def test_words_of_any_language_stay_as_they_are(text):
    assert escaped(text) == text


def test_escapes_say_which_character_or_byte_it_was():
    assert escaped("\x1b\u202e\udce9") == r"\x1b\u202e\xe9"
    assert one_line("a\nb\x1b") == r"a b\x1b"


@pytest.mark.parametrize(
    ("encoding", "text", "expected"),
    [
        ("ascii", "3×3 conv, 1.2×10⁻⁹, ± 3 %", "3x3 conv, 1.2x10^-9, +/- 3 %"),
        ("ascii", "Δ best −1.2…", "d best -1.2."),
        ("latin-1", "10⁴ × 3 → é", "10^4 × 3 > é"),
        ("cp1252", "… “x” ✗", "… “x” x"),
        ("ascii", "café 日", r"caf\xe9 \u65e5"),
        ("utf-8", "caf\udce9", r"caf\xe9"),
    ],
)
def test_what_an_encoding_lacks_is_spelled(encoding, text, expected):
    assert text.encode(encoding, READABLE).decode(encoding) == expected


def test_what_stands_for_a_sign_of_a_table_keeps_its_columns():
    longer = {sign for sign, plain in PLAIN.items() if len(plain) != 1}
    assert longer == {"±", "∞"}
    assert all(plain.isascii() for plain in PLAIN.values())

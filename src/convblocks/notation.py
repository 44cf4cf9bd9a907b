"""A family with options as text, as in wide(kernels=B(3,1,3)), and an option's value as typed.

Commas in parentheses, brackets or quotes separate nothing. Loads no torch.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w

from convblocks.errors import SpecError

# a quoted text counts as one letter
LETTER = re.compile(r""""(?:\\.|[^"\\])*"|'[^']*'|.""", re.DOTALL)
WORD = re.compile(
    r"[A-Za-z_][\w.+-]*(\([\w,]*\))?", re.ASCII
)  # what needs no quotes, if it means nothing else
# for the axes: 3,5
NUMBERS = re.compile(r"-?[\d.]+(,-?[\d.]+)+", re.ASCII)
PLAIN = (bool, int, float, str)
# true and false are TOML's
PYTHON = {"None": None, "True": True, "False": False}


def split(text: str) -> list[str]:
    """Returns the parts between commas: ``simple,wide(kernels=B(3,1,3))`` is two. Raises SpecError."""
    parts, inside = [""], 0
    for letter in LETTER.findall(text):
        inside += (letter in ("(", "[")) - (letter in (")", "]"))
        if inside < 0:
            break
        if letter == "," and not inside:
            parts.append("")
        else:
            parts[-1] += letter
    if inside:
        raise SpecError("family", f"a bracket of {text!r} has no partner")
    return [part.strip() for part in parts]


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """Returns ("residual", {"depth": 4}) for ``residual(depth=4)``. Raises SpecError, whose path is the option."""
    family, bracket, rest = text.strip().partition("(")
    if not bracket:
        return family, {}
    if not family or not rest.endswith(")"):
        raise SpecError("family", f"expected a family's name, or NAME(OPTION=VALUE), not {text!r}")
    options: dict[str, Any] = {}
    for part in split(rest[:-1]) if rest[:-1].strip() else ():
        name, equals, typed = (piece.strip() for piece in part.partition("="))
        if not (name.isidentifier() and equals and typed):
            raise SpecError("family", f"{part!r} is no option of {family}; expected NAME=VALUE, e.g. depth=3")
        if name in options:
            raise SpecError(name, "is given twice; once is enough")
        options[name] = value(typed)
    return family.strip(), options


def value(text: str) -> Any:
    """Returns an option's value as typed: 4, 0.1, true, [3, 5] or 3,5 for the axes, None; all else is text."""
    if text in PYTHON:
        return PYTHON[text]
    if NUMBERS.fullmatch(text):
        return [value(number) for number in text.split(",")]
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # of TOML's syntax, or a number of too many digits
        return text
    parsed = table["value"]
    # no date or table
    return parsed if len(table) == 1 and _plain(parsed) else text


def written(family: str, options: Mapping[str, Any]) -> str:
    """Returns the one text of a family with these options, whatever their order: the inverse of parse."""
    typed = ",".join(f"{name}={_text(setting)}" for name, setting in sorted(options.items()))
    return f"{family}({typed})" if typed else family


def short(family: str, options: Mapping[str, Any]) -> str:
    """Returns a few lower-case letters that are fit for a file's name: residual-eca for residual(attention=eca)."""
    return "-".join([family.rpartition(":")[2].lower(), *_in_short(options)])


def _in_short(options: Mapping[str, Any]) -> Iterator[str]:
    for name, setting in sorted(options.items()):
        if setting is True:
            yield name
        elif setting is False or setting is None or setting == "none":
            yield f"no{name}"
        else:
            elements = setting if isinstance(setting, list | tuple) else [setting]
            letters = "x".join(re.sub(r"[^a-z0-9._-]", "", _text(element).lower()) for element in elements)
            yield letters if letters and isinstance(setting, str) else f"{name}{letters}"


def _plain(value_read: object) -> bool:
    return all(map(_plain, value_read)) if isinstance(value_read, list) else isinstance(value_read, PLAIN)


def _text(setting: object) -> str:
    if setting is None:
        return "None"
    if isinstance(setting, str) and WORD.fullmatch(setting) and value(setting) == setting:
        return setting
    return _toml(setting)


def _toml(setting: object) -> str:
    if isinstance(setting, list | tuple):
        return f"[{','.join(map(_toml, setting))}]"
    # which does not read back
    plain = setting if isinstance(setting, PLAIN) else repr(setting)
    return tomli_w.dumps({"value": plain}).removeprefix("value = ").rstrip("\n")

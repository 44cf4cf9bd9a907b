"""A family with options as text, as in wide(kernels=B(3,1,3)), and an option's value as typed.

Commas in parentheses, brackets or quotes separate nothing. Loads no torch.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w

from convblocks.errors import SpecError

LETTER = re.compile(  # or a quoted text, which counts as one
    r""""(?:\\.|[^"\\])*"|'[^']*'|.""", re.DOTALL
)
WORD = re.compile(
    r"[A-Za-z_][\w.+-]*(\([\w,]*\))?", re.ASCII
)  # what needs no quotes, if it means nothing else
NUMBERS = re.compile(r"-?[\d.]+(,-?[\d.]+)+", re.ASCII)  # for the axes: 3,5
PLAIN = (bool, int, float, str)
PYTHON = {"None": None, "True": True, "False": False}  # true and false are TOML's


def split(text: str) -> list[str]:
    """The parts between commas: ``simple,wide(kernels=B(3,1,3))`` is two. Raises SpecError for an open bracket."""
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
    """``residual(depth=4)`` as ("residual", {"depth": 4}). Raises SpecError, whose path is the option."""
    family, bracket, rest = text.strip().partition("(")
    if not bracket:
        return family, {}
    if not family or not rest.endswith(")"):
        raise SpecError("family", f"expected a family's name, or NAME(OPTION=VALUE), not {text!r}")
    options: dict[str, Any] = {}
    for part in split(rest[:-1]) if rest[:-1].strip() else ():
        name, equals, given = (piece.strip() for piece in part.partition("="))
        if not (name.isidentifier() and equals and given):
            raise SpecError("family", f"{part!r} is no option of {family}; expected NAME=VALUE, e.g. depth=3")
        if name in options:
            raise SpecError(name, "is given twice; once is enough")
        options[name] = value(given)
    return family.strip(), options


def value(text: str) -> Any:
    """An option's value as typed: 4, 0.1, true, [3, 5] or 3,5 for the axes, None; all else is a word."""
    if text in PYTHON:
        return PYTHON[text]
    if NUMBERS.fullmatch(text):
        return [value(number) for number in text.split(",")]
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # of TOML's syntax, or a number of too many digits
        return text
    found = table["value"]
    return found if len(table) == 1 and _plain(found) else text  # no date or table


def written(family: str, options: Mapping[str, Any]) -> str:
    """The inverse of parse: the one text of a family with these options, whatever their order."""
    told = ",".join(f"{name}={_text(given)}" for name, given in sorted(options.items()))
    return f"{family}({told})" if told else family


def short(family: str, options: Mapping[str, Any]) -> str:
    """A few lower-case letters that are fit for a file's name: residual-eca for residual(attention=eca)."""
    return "-".join([family.rpartition(":")[2].lower(), *_in_short(options)])


def _in_short(options: Mapping[str, Any]) -> Iterator[str]:
    for name, given in sorted(options.items()):
        if given is True:
            yield name
        elif given is False or given is None or given == "none":
            yield f"no{name}"
        else:
            each = given if isinstance(given, list | tuple) else [given]
            letters = "x".join(re.sub(r"[^a-z0-9._-]", "", _text(one).lower()) for one in each)
            yield letters if letters and isinstance(given, str) else f"{name}{letters}"


def _plain(found: object) -> bool:
    return all(map(_plain, found)) if isinstance(found, list) else isinstance(found, PLAIN)


def _text(given: object) -> str:
    if given is None:
        return "None"
    if isinstance(given, str) and WORD.fullmatch(given) and value(given) == given:
        return given
    return _toml(given)


def _toml(given: object) -> str:
    if isinstance(given, list | tuple):
        return f"[{','.join(map(_toml, given))}]"
    told = given if isinstance(given, PLAIN) else repr(given)  # which does not read back
    return tomli_w.dumps({"value": told}).removeprefix("value = ").rstrip("\n")

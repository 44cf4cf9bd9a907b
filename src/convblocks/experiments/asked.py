"""What a caller of compare wrote: one value or several, and the call itself as text."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import fields

from convblocks.data import Dataset
from convblocks.errors import OptionError
from convblocks.layers.check import whole

T = TypeVar("T")

UNTOLD = ("watcher", "command")  # arguments that are not part of the question


def numbers(option: str, given: int | Iterable[int], at_most: int = 2**31 - 1) -> tuple[int, ...]:
    """One whole number or several, each from 1 to `at_most` and none twice."""
    several = given if isinstance(given, Iterable) else (given,)
    return _some(option, given, [whole(option, n, at_least=1, at_most=at_most) for n in several])


def names(option: str, given: str | Iterable[str]) -> tuple[str, ...]:
    """One name or several, none twice; "residual" is one family, not eight letters."""
    several = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    if not all(isinstance(name, str) for name in several):
        raise OptionError(option, given, "expected a name or several")
    return _some(option, given, several)


def _some(option: str, given: object, several: Sequence[T]) -> tuple[T, ...]:
    if not several:
        raise OptionError(option, given, "expected at least one")
    twice = [one for at, one in enumerate(several) if one in several[:at]]
    if twice:
        raise OptionError(option, given, f"{twice[0]} is given twice; once is enough")
    return tuple(several)


def call_as_text(function: Callable[..., Any], arguments: Mapping[str, object]) -> str:
    """The call in Python, with the arguments that are not the defaults; the first one by position."""
    first, *_ = parameters = inspect.signature(function).parameters
    told = []
    for name, parameter in parameters.items():
        value = _plain(arguments[name])
        if name not in UNTOLD and value != parameter.default:
            told.append(_text(value) if name == first else f"{name}={_text(value)}")
    return f"convblocks.{function.__name__}({', '.join(told)})"


def _plain(value: object) -> object:
    """Lists as tuples, paths as text, a data set as its name."""
    if isinstance(value, Dataset):
        return value.card.name
    if isinstance(value, PathLike):
        return fspath(value)
    return tuple(value) if isinstance(value, list | range) else value


def _text(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))}{',' * (len(value) == 1)})"
    if isinstance(value, Struct):
        told = [
            f"{field.name}={_text(now)}"
            for field in fields(value)
            if (now := getattr(value, field.name)) != field.default
        ]
        return f"convblocks.{type(value).__name__}({', '.join(told)})"
    return repr(value)

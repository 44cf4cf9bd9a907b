"""What a caller of compare wrote: one value or several, and the call itself as text."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import fields

from convblocks.blocks import BlockSpec
from convblocks.checks import whole
from convblocks.data import Dataset
from convblocks.data.objects import name_of_object
from convblocks.errors import OptionError, SpecError
from convblocks.experiments.family import refused
from convblocks.notation import parse, written

T = TypeVar("T")

UNTOLD = ("watcher", "command")  # arguments that are not part of the question


def numbers(option: str, given: int | Iterable[int], at_most: int = 2**31 - 1) -> tuple[int, ...]:
    """One whole number or several, each from 1 to `at_most` and none twice."""
    several = given if isinstance(given, Iterable) else (given,)
    return _some(option, given, [whole(option, n, at_least=1, at_most=at_most) for n in several])


def families(given: str | BlockSpec | Iterable[str | BlockSpec]) -> tuple[str, ...]:
    """One family or several, none twice, each in the one way to write it; "residual" is one, not eight letters."""
    several = given if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    return _some("families", given, [_family(family) for family in several])


def _family(given: object) -> str:
    if not isinstance(given, str | BlockSpec):
        raise OptionError("families", given, "expected a name or several")
    try:
        family, options = parse(str(given))
        if isinstance(given, BlockSpec) and BlockSpec(family, **options) != given:
            raise SpecError("", "has an option that cannot be written as text; use numbers, words or lists")
    except SpecError as error:
        raise refused(given, error) from error
    return written(family, options)


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
        value = _data(arguments[name]) if name == first else _plain(arguments[name])
        if name not in UNTOLD and value != parameter.default:
            told.append(_text(value) if name == first else f"{name}={_text(value)}")
    return f"convblocks.{function.__name__}({', '.join(told)})"


def _data(value: object) -> object:
    """A data set as its name, and what a script holds as what it is called."""
    if isinstance(value, Dataset):
        return value.card.name
    if isinstance(value, PathLike):
        return fspath(value)
    return value if value is None or isinstance(value, str) else name_of_object(value)


def _plain(value: object) -> object:
    """Lists as tuples, paths and blocks as text."""
    if isinstance(value, BlockSpec):
        return str(value)
    if isinstance(value, PathLike):
        return fspath(value)
    return tuple(map(_plain, value)) if isinstance(value, list | range | tuple) else value


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

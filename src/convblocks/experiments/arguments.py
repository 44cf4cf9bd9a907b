"""The arguments of compare: its records with the keywords beside them, and the call itself as text."""

import json
from collections.abc import Mapping
from os import PathLike, fspath
from typing import NamedTuple

from msgspec import Struct, structs

from convblocks.blocks import BlockSpec
from convblocks.data import Dataset
from convblocks.data.objects import name_of_object
from convblocks.records import Family, Loading, Machine, Question
from convblocks.records.option import fields, suggestion, updated


class Arguments(NamedTuple):
    """A compare's question, where it runs and how its data are loaded."""

    question: Question
    machine: Machine
    loading: Loading


def arguments(
    question: Question | None, machine: Machine | None, keywords: Mapping[str, object]
) -> Arguments:
    """Returns the records with the values of the keywords, which are names of their fields; None is no value.

    Raises:
        OptionError: for a value that cannot work.
        TypeError: for a keyword that is no field, or a record of another type.
    """
    for name, record, record_class in (("question", question, Question), ("machine", machine, Machine)):
        if record is not None and not isinstance(record, record_class):
            raise TypeError(f"{name}: expected a convblocks.{record_class.__name__}, not {record!r}")
    question, machine = question or Question(), machine or Machine()
    names = {"recipe": None, **fields(type(question), type(machine), Loading)}
    for name in keywords:
        if name not in names:
            raise TypeError(f"compare() got an unexpected keyword argument {name!r}{suggestion(name, names)}")
    values = {name: value for name, value in keywords.items() if value is not None}
    return Arguments(updated(question, values), updated(machine, values), updated(Loading(source=""), values))


def call_as_text(data: object, *records: Struct | None, **keywords: object) -> str:
    """Returns the call of compare in Python: what the records and the keywords set, where it is not the default.

    >>> from convblocks.records import Question
    >>> call_as_text("digits", Question(depths=8), seeds=5, families="simple")
    'convblocks.compare("digits", depths=(8,), families="simple", seeds=5)'
    """
    order = [*Question.__struct_fields__, *fields(Question), "out", *fields(Loading, Machine)]
    defaults = {name: field.default for name, field in fields(Question, Loading, Machine).items()}
    given = {name: value for record in records if record for name, value in _set(record)} | keywords
    texts = [] if data is None else [_text(_data(data))]
    texts += [
        f"{name}={_text(value)}"
        for name in sorted(given, key=[*order, *given].index)
        if (value := _plain(given[name])) is not None and value != _plain(defaults.get(name))
    ]
    return f"convblocks.compare({', '.join(texts)})"


def _set(record: Struct) -> list[tuple[str, object]]:
    """Returns the fields of a record that are not at their defaults."""
    values = [(field.name, getattr(record, field.name), field.default) for field in structs.fields(record)]
    return [(name, value) for name, value, default in values if value != default]


def _data(value: object) -> object:
    """Returns the name of a data set, and of what a script holds."""
    if isinstance(value, Dataset):
        return value.card.name
    if isinstance(value, PathLike):
        return fspath(value)
    return value if isinstance(value, str) else name_of_object(value)


def _plain(value: object) -> object:
    """Returns lists as tuples; paths, blocks and families as text."""
    if isinstance(value, BlockSpec | Family):
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
        options = [f"{name}={_text(now)}" for name, now in _set(value)]
        return f"convblocks.{type(value).__name__}({', '.join(options)})"
    return repr(value)

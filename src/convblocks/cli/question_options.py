"""The fields of a question as options of a command: what each looks like in the help, and how its text is read."""

from collections.abc import Callable, Mapping
from inspect import Parameter as Argument
from typing import Annotated, Any

from cyclopts import Group, Parameter

from convblocks.cli.parse import amount, finite_number, names, numbers, pixels, whole_number
from convblocks.records import Family
from convblocks.records.option import BUDGET, DATA, IMPLEMENTATIONS, RUN, TRAINING, Field

GROUPS = {
    title: Group(title, sort_key=at)
    for at, title in enumerate((IMPLEMENTATIONS, BUDGET, TRAINING, DATA, RUN), start=1)
}

READERS: dict[object, Callable[[str, str], object]] = {
    "amount": amount,
    "pixels": pixels,
    int: whole_number,
    float: finite_number,
}
READERS_OF_SEVERAL: dict[object, Callable[[str, str], list[Any]]] = {int: numbers, Family: names}


def argument(field: Field) -> Argument:
    """Returns the field as a keyword argument of a command; None where it is not given."""
    value_type: Any = bool if field.type is bool else list[str] if field.several else str
    look = Parameter(
        name=field.flag,
        help=field.option.help,
        group=GROUPS[field.option.group],
        metavar=field.option.metavar,
        show_default=field.default_text or False,
        negative=(),
        allow_leading_hyphen=_reads_number(field),
    )
    return Argument(
        field.name, Argument.KEYWORD_ONLY, default=None, annotation=Annotated[value_type | None, look]
    )


def _reads_number(field: Field) -> bool:
    """Returns whether -1 is a value, to be refused as one, and no flag."""
    return not field.several and field.type in (int, float)


def value(field: Field, given: object) -> object:
    """Returns the value that an option's text stands for; what is no text stays as it is.

    Raises:
        OptionError: for a text that stands for none.
    """
    if field.several:
        read = READERS_OF_SEVERAL[field.value_type]
        texts = given if isinstance(given, list) else [given]
        parts = [read(field.name, text) if isinstance(text, str) else [text] for text in texts]
        return [one for part in parts for one in part]
    reader = READERS.get(field.option.reads or field.type)
    return reader(field.name, given) if reader and isinstance(given, str) else given


def values(fields: Mapping[str, Field], given: Mapping[str, object]) -> dict[str, object]:
    """Returns the values of the options that are given."""
    return {name: value(fields[name], text) for name, text in given.items() if text is not None}

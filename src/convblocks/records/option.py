"""Option: all that is said of one field of a question, beside the field; and the fields of records as options.

    class Question(Struct):
        seeds: Annotated[int, Option("Trainings of each design, paired by seed.", TRAINING, "N")] = 3

Help, flags, TOML files, the identity of a study, messages and the conditions of a report are derived from it.
"""

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Protocol, TypeVar, get_args, get_origin

from msgspec import Struct, structs

R = TypeVar("R", bound=Struct)
Given = TypeVar("Given", contravariant=True)
Value = TypeVar("Value", covariant=True)

IMPLEMENTATIONS, BUDGET, TRAINING, DATA, RUN = "Implementations", "Budget", "Training", "Data", "Run"
"""Groups of the help, in its order."""


@dataclass(frozen=True, slots=True)
class Option:
    """The meaning of a field to a user, beside its name, type and default.

    Args:
        help: a sentence or two; what stands for `None` goes into `default`.
        group: a title of the help.
        metavar: what stands for the value in the help.
        default: the default in words, where the value does not say it.
        flag: the name on the command line, where it is not the field's.
        term: what reports and messages call it, where it is not the field's name.
        reads: how text is read, where the type does not say it: "amount" for 5M, "pixels" for 32x48.
        identity: whether studies with different values are different studies.
    """

    help: str
    group: str
    metavar: str | None = None
    default: str | None = None
    flag: str | None = None
    term: str | None = None
    reads: str | None = None
    identity: bool = True


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record that is an option: `type` is without None and without its Annotated."""

    name: str
    type: Any
    default: object
    option: Option

    @property
    def flag(self) -> str:
        """Returns the name on the command line, as ``--batch-size``."""
        return self.option.flag or "--" + self.name.replace("_", "-")

    @property
    def several(self) -> bool:
        """Returns whether it holds several values."""
        return get_origin(self.type) is Several

    @property
    def value_type(self) -> Any:
        """Returns the type of a value, of which there may be several."""
        return get_args(self.type)[-1] if self.several else self.type

    @property
    def term(self) -> str:
        """Returns the name in prose, as "batch size"."""
        return self.option.term or self.name.replace("_", " ")

    @property
    def default_text(self) -> str | None:
        """Returns the default in words; None where there is nothing to say."""
        if self.option.default is not None or self.default is None or self.default is False:
            return self.option.default
        return ",".join(map(str, self.default)) if isinstance(self.default, tuple) else str(self.default)


class Several(Protocol[Given, Value]):
    """The type of a field that takes one value or several and is read as a tuple; type checkers alone use it."""

    def __get__(self, record: object, owner: type | None = None) -> tuple[Value, ...]: ...

    def __set__(self, record: object, value: Given | Iterable[Given]) -> None: ...


def fields(*records: type[Struct]) -> dict[str, Field]:
    """Returns the options of the records by name, those of the records within them included, in order."""
    return {field.name: field for record in records for field in _fields(record)}


def _fields(record: type[Struct]) -> Iterator[Field]:
    for field in structs.fields(record):
        if get_origin(field.type) is Annotated:
            value_type, *notes = get_args(field.type)
            for option in notes:
                if isinstance(option, Option):
                    yield Field(field.name, _without_none(value_type), field.default, option)
        elif isinstance(field.type, type) and issubclass(field.type, Struct):
            yield from _fields(field.type)


def _without_none(annotation: Any) -> Any:
    parts = [part for part in get_args(annotation) if part is not types.NoneType]
    return parts[0] if isinstance(annotation, types.UnionType) and len(parts) == 1 else annotation


def updated(record: R, values: Mapping[str, object]) -> R:
    """Returns the record with the values of its fields, and of those of the records within it, among `values`."""
    own = {name: values[name] for name in record.__struct_fields__ if name in values}
    for name in record.__struct_fields__:
        inner = own.get(name, getattr(record, name))
        if isinstance(inner, Struct) and not values.keys().isdisjoint(fields(type(inner))):
            own[name] = updated(inner, values)
    return structs.replace(record, **own) if own else record


def suggestion(name: str, names: Mapping[str, object]) -> str:
    """Returns "; did you mean 'depths'?", or the names that there are."""
    close = get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; expected one of {', '.join(names)}"

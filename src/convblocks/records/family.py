"""Family: a family of blocks with options, as residual(attention=eca), parsed once and a value from there on."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from msgspec import Struct

from convblocks.errors import OptionError, SpecError
from convblocks.notation import parse, written


class HasOptions(Protocol):
    """A BlockSpec, which this module cannot import: it would bring torch."""

    @property
    def family(self) -> str:
        """Returns the family's name."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """Returns the options given, without the defaults."""
        ...


class Family(Struct, frozen=True):
    """A family's name and options, unchecked: only building a block shows that they fit.

    Args:
        name: a key of BLOCKS, or ``package.module:Class``.
        items: the options, sorted by name; lists as tuples.
    """

    name: str
    items: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Family":
        """Returns the family that a text like ``wide(kernels=B(3,1,3))`` describes; str is the inverse.

        Raises:
            SpecError: for what is no such text.
        """
        name, options = parse(text)
        return cls(name, _items(options))

    @classmethod
    def of(cls, given: "str | Family | HasOptions") -> "Family":
        """Returns the family that a text or a BlockSpec describes.

        Raises:
            SpecError: for an option that cannot be written as text, as records hold it.
            TypeError: for another type.
        """
        if isinstance(given, Family):
            return given
        if isinstance(given, str):
            return cls.parse(given)
        if not (isinstance(getattr(given, "family", None), str) and hasattr(given, "options")):
            raise TypeError("expected a name or several")
        family = cls(given.family, _items(given.options))
        if repr(cls.parse(str(family))) != repr(family):
            raise SpecError("", "has an option that cannot be written as text; use numbers, words or lists")
        return family

    @property
    def options(self) -> Mapping[str, Any]:
        """Returns the options by name."""
        return MappingProxyType(dict(self.items))

    def __str__(self) -> str:
        return written(self.name, self.options)


def refused_family(family: object, error: SpecError) -> OptionError:
    """Returns what is wrong with one of the families, as an error of the argument `families`."""
    option = "" if error.path in ("", "family") else f"{error.path}: "
    return OptionError(
        "families", str(family) if isinstance(family, Family) else family, f"{option}{error.problem}"
    )


def families_from(
    given: str | Family | HasOptions | Iterable[str | Family | HasOptions],
) -> tuple[Family, ...]:
    """Returns one family or several as values; a text is one, not as many as it has letters.

    Raises:
        OptionError: for what is no family.
    """
    several = given if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
    return tuple(map(_family, several))


def _family(given: str | Family | HasOptions) -> Family:
    try:
        return Family.of(given)
    except TypeError as error:
        raise OptionError("families", given, str(error)) from error
    except SpecError as error:
        raise refused_family(given, error) from error


def _items(options: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, _frozen(value)) for name, value in sorted(options.items()))


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value

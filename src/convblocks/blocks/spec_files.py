"""Descriptions of blocks and networks as text, which strangers may have written."""

import tomllib
from collections.abc import Iterable, Mapping

import msgspec

from convblocks.errors import SpecError

MOST_NESTED = 32
"""A network's tables and lists nest five deep; what reads them may recurse."""


def read_table(text: str | bytes, form: str = "JSON") -> object:
    """Returns the table of JSON or TOML. Raises SpecError for text that is neither, or nests without end."""
    try:
        if form == "TOML":
            table: object = tomllib.loads(text if isinstance(text, str) else text.decode())
        else:
            table = msgspec.json.decode(text)
    except RecursionError as error:
        raise _too_deep() from error
    except (msgspec.DecodeError, ValueError) as error:
        raise SpecError("", f"not {form}: {error}") from error
    require_shallow(table)
    return table


def require_shallow(table: object) -> None:
    """Raises SpecError for tables and lists that nest deeper than MOST_NESTED."""
    level = [table]
    for _ in range(MOST_NESTED + 1):
        level = list({id(part): part for whole in level for part in _parts(whole)}.values())
        if not level:
            return
    raise _too_deep()


def _parts(whole: object) -> Iterable[object]:
    if isinstance(whole, Mapping):
        return whole.values()
    return whole if isinstance(whole, list | tuple) else ()


def _too_deep() -> SpecError:
    return SpecError(
        "", f"tables and lists nest deeper than {MOST_NESTED}; expected a block's or network's description"
    )

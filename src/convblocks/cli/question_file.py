"""A question in a TOML file: the fields of Question, Machine and Loading by name, and a table for the recipe."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convblocks.errors import SpecError
from convblocks.records.option import Field, suggestion

BESIDE = ("data", "out")
"""Keys that a file may have beside the fields."""


def read_question(path: Path, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Returns what the file gives, by name, the recipe's fields among it.

    Raises:
        SpecError: for what is no TOML, and for a name that is no field, or comes twice.
        OSError: for a file that cannot be read.
    """
    if not path.is_file():
        raise SpecError(str(path), "there is no such file")
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SpecError(str(path), f"expected TOML, as in depths = [8, 56]: {error}") from error
    recipe = given.pop("recipe", {})
    if not isinstance(recipe, dict):
        raise SpecError(f"{path}: recipe", "expected a table, as in [recipe] and epochs = 5 below it")
    names = {**dict.fromkeys(BESIDE), **fields}
    for name in [*given, *recipe]:
        if name not in names:
            raise SpecError(f"{path}: {name}", f"there is no such option{suggestion(name, names)}")
        if name in given and name in recipe:
            raise SpecError(f"{path}: {name}", "is given twice; once is enough")
    for name in BESIDE:
        if not isinstance(given.get(name, ""), str):
            raise SpecError(f"{path}: {name}", "expected a text")
    return {**given, **recipe}

"""The block that a command's argument describes: a family with options, or a block's .toml or .json file."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convblocks.errors import SpecError, TargetError

if TYPE_CHECKING:
    from convblocks.blocks import BlockSpec

CLASS = re.compile(r"[\w.]+:\w+")  # package.module:Class, a family of one's own
ZOOS = ("timm", "torchvision", "zoo")


def described_block(target: str, options: Mapping[str, Any], trust_code: bool) -> "BlockSpec | None":
    """The block that a family's name or a file describes; None for any other target.

    Raises SpecError for options that cannot be; TargetError for a file of such, and for one that names classes
    which are not trusted.
    """

    from convblocks.blocks import BLOCKS, BlockSpec
    from convblocks.blocks.spec import foreign_classes
    from convblocks.blocks.table import read_table

    path = Path(target)
    if target in BLOCKS or (options and CLASS.fullmatch(target) and target.partition(":")[0] not in ZOOS):
        return BlockSpec(target, **options)
    if path.suffix not in (".toml", ".json") or not path.is_file():
        return None
    try:
        text = path.read_text()
        table = read_table(text, path.suffix[1:].upper())
    except (UnicodeDecodeError, SpecError):
        return None  # load_target says it
    if not isinstance(table, dict) or "family" not in table:
        return None
    if not trust_code and (classes := foreign_classes(table)):
        raise TargetError(
            f"{target}: building it imports {', '.join(classes)} and so runs that code; if you trust it, "
            "pass trust_code=True (--trust-code)"
        )
    try:
        return BlockSpec.from_dict({**table, **options})
    except SpecError as error:
        raise TargetError(f"{target}: {error}") from error

"""The block that a command's argument describes: a family with options, or a block's .toml or .json file.

Options of a block are spelled as the command's own: ``residual --depth 4 --stride 2``.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convblocks.errors import OptionError, SpecError, TargetError

if TYPE_CHECKING:
    from convblocks.blocks import BlockSpec
    from convblocks.targets import Target

CHANNELS = 64  # of a block's input, where none are given
SIZES = {1: (1024,), 2: (64, 64), 3: (16, 16, 16)}  # of a map, where none is given

CLASS = re.compile(r"[\w.]+:\w+")  # package.module:Class, a family of one's own
NUMBERS = re.compile(r"-?[\d.]+(,-?[\d.]+)+")
ZOOS = ("timm", "torchvision", "zoo")


def described_block(target: str, options: Mapping[str, str], trust_code: bool) -> "BlockSpec | None":
    """The block that a family's name or a file describes, with options as typed; None for any other target.

    Raises SpecError for options that cannot be; TargetError for a file of such, and for one that names classes
    which are not trusted.
    """

    from convblocks.blocks import BLOCKS, BlockSpec
    from convblocks.blocks.spec import foreign_classes
    from convblocks.blocks.table import read_table

    path, values = Path(target), {name.replace("-", "_"): _value(text) for name, text in options.items()}
    if target in BLOCKS or (options and CLASS.fullmatch(target) and target.partition(":")[0] not in ZOOS):
        return BlockSpec(target, **values)
    if target.isidentifier() and not path.exists():
        return BlockSpec(
            target, **values
        )  # no other target is a mere word, and this knows what is close to it
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
        return BlockSpec.from_dict({**table, **values})
    except SpecError as error:
        raise TargetError(f"{target}: {error}") from error


def refuse_of_block(target: str, options: Mapping[str, Any]) -> None:
    """Raise OptionError if any is given: they go with a block, and the target is none."""
    for name, value in options.items():
        if value is not None:
            raise OptionError(name, value, f"goes with a block; {target} is none")


def size_of(target: "Target") -> tuple[int, ...]:
    """Of an input, where none is given."""
    return target.input_size or (target.channels or 3, *SIZES[target.dims or 2])


def _value(text: str) -> object:
    """An option's value as typed: 4, 0.1, true, 3,5 for the axes, or a name."""
    if NUMBERS.fullmatch(text):
        return tuple(map(_value, text.split(",")))
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)

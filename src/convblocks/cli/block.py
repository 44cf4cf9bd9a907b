"""The block that a command's argument describes: a family with options, or a block's .toml or .json file.

Options of a block are spelled as the command's own, ``residual --depth 4 --stride 2``, or as compare's families are,
``residual(depth=4)``.
"""

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convblocks.errors import OptionError, SpecError, TargetError
from convblocks.files import read_text
from convblocks.notation import parse, value

if TYPE_CHECKING:
    from convblocks.blocks import BlockSpec
    from convblocks.targets import Target

CHANNELS = 64  # of a block's input, where none are given
SIZES = {1: (1024,), 2: (64, 64), 3: (16, 16, 16)}  # of a map, where none is given

CLASS = re.compile(r"(?!.*\.py:)[\w.]+:\w+")  # package.module:Class, a family of one's own; not FILE.py:NAME
ZOOS = ("timm", "torchvision", "zoo")


def described_block(target: str, options: Mapping[str, str], trust_code: bool) -> "BlockSpec | None":
    """The block that a family's name or a file describes, with options as typed; None for any other target.

    Raises SpecError for options that cannot be; TargetError for a file of such, and for one that names classes
    which are not trusted.
    """
    from convblocks.blocks import BLOCKS, BlockSpec
    from convblocks.blocks.block_spec import foreign_classes, refusal_of_code
    from convblocks.blocks.spec_files import read_table

    path, values = Path(target), {name.replace("-", "_"): value(text) for name, text in options.items()}
    family, written = parse(target) if target.endswith(")") else (target, {})
    of_own = CLASS.fullmatch(family) and family.partition(":")[0] not in ZOOS
    # a mere word is no other target, and BlockSpec knows which family is close to it
    mere_word = family.isidentifier() and not path.exists()
    if family in BLOCKS or mere_word or (of_own and (values or written or _takes_channels(family))):
        if twice := written.keys() & values.keys():
            raise OptionError(twice.pop(), "twice", f"is in {target} too; give it once")
        return BlockSpec(family, **written, **values)
    if path.suffix not in (".toml", ".json"):
        return None
    try:
        table = read_table(read_text(path), path.suffix[1:].upper())
    except (OSError, UnicodeDecodeError, SpecError):
        return None  # load_target says it
    if not isinstance(table, dict) or "family" not in table:
        return None
    if not trust_code and (classes := foreign_classes(table)):
        raise TargetError(f"{target}: ", *refusal_of_code("building it", classes))
    try:
        return BlockSpec.from_dict({**table, **values})
    except SpecError as error:
        raise TargetError(f"{target}: {error}") from error


def _takes_channels(name: str) -> bool:
    """Whether package.module:Class is a family, rather than a module that builds without arguments."""
    from convblocks.blocks.block_spec import block_class

    try:
        taken = inspect.signature(block_class(name)).parameters
    except (SpecError, ValueError, TypeError):
        return False  # load_target says it
    return {"in_channels", "out_channels"} <= taken.keys()


def refuse_of_block(target: str, options: Mapping[str, Any]) -> None:
    """Raise OptionError if any is given: they go with a block, and the target is none."""
    for name, given in options.items():
        if given is not None:
            raise OptionError(name, given, f"goes with a block; {target} is none")


def size_of(target: "Target") -> tuple[int, ...]:
    """Of an input, where none is given."""
    return target.input_size or (target.channels or 3, *SIZES[target.dims or 2])

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

# a block's input where no size is given: channels, and spatial sizes by the number of axes
CHANNELS = 64
SIZES = {1: (1024,), 2: (64, 64), 3: (16, 16, 16)}

# package.module:Class, a family of the user's own; not FILE.py:NAME
CLASS = re.compile(r"(?!.*\.py:)[\w.]+:\w+")
ZOOS = ("timm", "torchvision", "zoo")


def described_block(target: str, options: Mapping[str, str], trust_code: bool) -> "BlockSpec | None":
    """Returns the block that a family's name or a file describes; None for any other target.

    Args:
        target: a family, ``residual`` or ``residual(depth=4)``, or a .toml or .json file.
        options: of the block, as typed, by name.
        trust_code: let the file name classes as package.module:Class.

    Raises:
        SpecError: an option cannot work.
        TargetError: a file has such an option, or names classes that are not trusted.
    """
    from convblocks.blocks import BLOCKS, BlockSpec
    from convblocks.blocks.block_spec import foreign_classes, refusal_of_code
    from convblocks.blocks.spec_files import read_table

    path, values = Path(target), {name.replace("-", "_"): value(text) for name, text in options.items()}
    family, written = parse(target) if target.endswith(")") else (target, {})
    is_class = CLASS.fullmatch(family) and family.partition(":")[0] not in ZOOS
    # a mere word is no other target, and BlockSpec knows which family is close to it
    is_word = family.isidentifier() and not path.exists()
    if family in BLOCKS or is_word or (is_class and (values or written or _takes_channels(family))):
        if twice := written.keys() & values.keys():
            raise OptionError(twice.pop(), "twice", f"is in {target} too; give it once")
        return BlockSpec(family, **written, **values)
    if path.suffix not in (".toml", ".json"):
        return None
    try:
        table = read_table(read_text(path), path.suffix[1:].upper())
    except (OSError, UnicodeDecodeError, SpecError):
        # load_target refuses it
        return None
    if not isinstance(table, dict) or "family" not in table:
        return None
    if not trust_code and (classes := foreign_classes(table)):
        raise TargetError(f"{target}: ", *refusal_of_code("building it", classes))
    try:
        return BlockSpec.from_dict({**table, **values})
    except SpecError as error:
        raise TargetError(f"{target}: {error}") from error


def _takes_channels(name: str) -> bool:
    """Returns true where package.module:Class is a family, rather than a module that builds without arguments."""
    from convblocks.blocks.block_spec import block_class

    try:
        arguments = inspect.signature(block_class(name)).parameters
    except (SpecError, ValueError, TypeError):
        # load_target refuses it
        return False
    return {"in_channels", "out_channels"} <= arguments.keys()


def refuse_of_block(target: str, options: Mapping[str, Any]) -> None:
    """Raises OptionError if any option has a value: they go with a block, and the target is none."""
    for name, option in options.items():
        if option is not None:
            raise OptionError(name, option, f"goes with a block; {target} is none")


def size_of(target: "Target") -> tuple[int, ...]:
    """Returns the input size of a target, (channels, *spatial), where the user gives none."""
    return target.input_size or (target.channels or 3, *SIZES[target.dims or 2])

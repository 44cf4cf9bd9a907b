"""FamilyGrid: the block depths and groups that a comparison tries of one family, and the options that it sets."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from convblocks.blocks.block_spec import BlockSpec, block_options, deployed_options, fixed_depth
from convblocks.errors import SpecError
from convblocks.layers.init import INITIALISATIONS
from convblocks.notation import short
from convblocks.records import Family, Question
from convblocks.records.family import refused_family

SEAMLESS = ("simple", "repvgg")
"""Families that are the same network however it is cut into blocks, so listed once, a block a stage."""


@dataclass(frozen=True)
class FamilyGrid:
    """The blocks of one family that a comparison lists, built as the initialisation `init` needs them.

    Raises:
        OptionError: for a family of which no block can be.
    """

    family: Family
    init: str = "he_normal"

    def __post_init__(self) -> None:
        try:
            if "depth" not in self._defaults:
                raise SpecError("", "has no option depth, which compare varies")
            self._check()
        except SpecError as error:
            raise refused_family(self.family, error) from error

    @property
    def text(self) -> str:
        """Returns the family as records name it."""
        return str(self.family)

    @property
    def name(self) -> str:
        """Returns the family's name, without its options."""
        return self.family.name

    @cached_property
    def depth(self) -> int | None:
        """Returns the depth of a block, where the options fix it."""
        return fixed_depth(self.name, self.family.options)

    @cached_property
    def _defaults(self) -> Mapping[str, Any]:
        return block_options(self.name)

    @property
    def _of_init(self) -> dict[str, str]:
        """Returns the options that the initialisation sets."""
        return {n: v for n, v in INITIALISATIONS[self.init].options.items() if n in self._defaults}

    def depths(self, layers: int, block_depths: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the block depths to try where a stage has that many layers."""
        if self.depth is not None:
            return (self.depth,)
        return (layers,) if self.name in SEAMLESS else block_depths

    def groups(self, groups: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the groups to try.

        1 stands for a family's own number, 32 for resnext; only 1 is left where a family has none.
        """
        if "groups" not in self._defaults:
            return (1,)
        return tuple(dict.fromkeys(group if group > 1 else self._defaults["groups"] or 1 for group in groups))

    def block(self, depth: int, groups: int) -> BlockSpec:
        """Returns the block.

        Raises:
            SpecError: where the family cannot have that depth.
        """
        grouped = {"groups": groups} if groups > 1 else {}  # a family may have no groups at all
        return BlockSpec(self.name, **{**self.family.options, **self._of_init, **grouped, "depth": depth})

    def label(self, depth: int, groups: int, layers: int) -> str:
        """Returns a name that is unique in a study but for the stack depth, and fit for a file.

        For example residual-2, wide-b313 or bottleneck-4-g8.
        """
        options = {n: v for n, v in self.family.options.items() if n != "depth"}
        seamless = self.name in SEAMLESS and depth == layers
        implied = self.depth is not None and "depth" not in self.family.options
        of_block = "" if seamless or implied else f"-{depth}"
        return short(self.name, options) + of_block + (f"-g{groups}" if groups > 1 else "")

    def _check(self) -> None:
        """Raises SpecError for an option that compare sets, and for one that the family has not or cannot have."""
        options, of_init = self.family.options, self._of_init
        for name, needed in of_init.items():
            if options.get(name, needed) != needed:
                raise SpecError(
                    name, f"the init {self.init} builds all blocks with {name}={needed}; leave it out"
                )
        try:
            BlockSpec(self.name, **{**options, **of_init})
        except SpecError as error:
            if error.path in options:  # any other may go with the depth
                raise
        _ = self.depth
        deployed_options(self.name)
        if "groups" in options:
            raise SpecError("groups", "compare varies them for all families alike; give its groups instead")


def family_grids(question: Question) -> list[FamilyGrid]:
    """Returns the families of the question, each checked.

    Raises:
        OptionError: for one of which no block can be.
    """
    return [FamilyGrid(family, question.recipe.init) for family in question.families]

"""A family as a compare is asked for it, residual(attention=eca): what it varies of it, and what it may not."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from convblocks.blocks.block_spec import BlockSpec, block_options, deployed_options, fixed_depth
from convblocks.errors import OptionError, SpecError
from convblocks.layers.init import INITIALISATIONS
from convblocks.notation import parse, short

SEAMLESS = ("simple", "repvgg")
"""Families that are the same network however it is cut into blocks, so listed once, a block a stage."""


@dataclass(frozen=True)
class Family:
    """`text` is in the notation; blocks are built as `init` needs them. Raises OptionError if none can be."""

    text: str
    init: str = "he_normal"

    def __post_init__(self) -> None:
        try:
            if "depth" not in self._known:
                raise SpecError("", "has no option depth, which compare varies")
            self._check()
        except SpecError as error:
            raise refused(self.text, error) from error

    @cached_property
    def name(self) -> str:
        return parse(self.text)[0]

    @cached_property
    def options(self) -> Mapping[str, Any]:
        return parse(self.text)[1]

    @cached_property
    def depth(self) -> int | None:
        """Of a block, where the options fix it."""
        return fixed_depth(self.name, self.options)

    @cached_property
    def _known(self) -> Mapping[str, Any]:
        return block_options(self.name)

    @property
    def _made_for(self) -> dict[str, str]:
        return {n: v for n, v in INITIALISATIONS[self.init].options.items() if n in self._known}

    def depths(self, share: int, asked: tuple[int, ...]) -> tuple[int, ...]:
        """The block depths to try where a stage has `share` layers."""
        if self.depth is not None:
            return (self.depth,)
        return (share,) if self.name in SEAMLESS else asked

    def groups(self, asked: tuple[int, ...]) -> tuple[int, ...]:
        """The groups to try: 1 stands for a family's own number, 32 for resnext; only 1 where a family has none."""
        if "groups" not in self._known:
            return (1,)
        return tuple(dict.fromkeys(group if group > 1 else self._known["groups"] or 1 for group in asked))

    def block(self, depth: int, groups: int) -> BlockSpec:
        """Raises SpecError where the family cannot have that depth."""
        grouped = {"groups": groups} if groups > 1 else {}  # a family may have no groups at all
        return BlockSpec(self.name, **{**self.options, **self._made_for, **grouped, "depth": depth})

    def design(self, depth: int, groups: int, share: int) -> str:
        """Unique in a study but for its stack depth, fit for a file name: residual-2, wide-b313, bottleneck-4-g8."""
        told = {n: v for n, v in self.options.items() if n != "depth"}
        seamless = self.name in SEAMLESS and depth == share
        implied = self.depth is not None and "depth" not in self.options
        of_block = "" if seamless or implied else f"-{depth}"
        return short(self.name, told) + of_block + (f"-g{groups}" if groups > 1 else "")

    def _check(self) -> None:
        """Raise SpecError for an option that compare sets, and for one that the family has not or cannot have."""
        for name, needed in self._made_for.items():
            if self.options.get(name, needed) != needed:
                raise SpecError(
                    name, f"the init {self.init} builds all blocks with {name}={needed}; leave it out"
                )
        try:
            BlockSpec(self.name, **{**self.options, **self._made_for})
        except SpecError as error:
            if error.path in self.options:  # any other may go with the depth
                raise
        _ = self.depth
        deployed_options(self.name)
        if "groups" in self.options:
            raise SpecError("groups", "compare varies them for all families alike; give its groups instead")


def refused(family: object, error: SpecError) -> OptionError:
    """Of the argument `families`: what is wrong with one of them."""
    option = "" if error.path in ("", "family") else f"{error.path}: "
    return OptionError("families", family, f"{option}{error.problem}")

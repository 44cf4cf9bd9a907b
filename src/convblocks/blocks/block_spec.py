"""BlockSpec: a block of any family as a value, checked against the constructor's own signature."""

import inspect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache
from math import lcm
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from convblocks.blocks.families import BLOCKS
from convblocks.blocks.spec_files import require_shallow
from convblocks.checks import whole
from convblocks.errors import OptionError, Part, Setting, SpecError
from convblocks.importing import import_named
from convblocks.notation import parse, written
from convblocks.text import listed, shown

PLACE = ("in_channels", "out_channels", "stride", "dims")
"""The arguments that a block's place in a network decides, and a spec therefore does not."""

TRIAL_CHANNELS = 960
"""Channels of a trial on the meta device, where they cost nothing; most numbers of groups divide them, 32 too."""
MOST_TRIAL_CHANNELS = 2**24
"""Torch cannot count the weights of many more channels."""


class BlockSpec:
    """A family and its options: ``BlockSpec("residual", depth=4)``. Frozen, hashable.

    `family` is a name in BLOCKS or a class of yours as ``package.module:Class``, whose constructor takes
    (in_channels, out_channels, *, stride, …). It is built once on the meta device, at channels that its groups
    divide, so that a block that cannot be is refused here. Raises SpecError, whose path is the option.
    """

    __slots__ = ("_options", "family")
    family: str
    _options: tuple[tuple[str, Any], ...]

    def __init__(self, family: str, **options: Any):
        options_of_family = block_options(family)
        for name in options:
            if name in PLACE:
                raise SpecError(
                    name, f"is set by the block's place in the network, not by its spec ({family})"
                )
            if name not in options_of_family:
                raise SpecError(name, f"{family} has no such option{_hint(name, list(options_of_family))}")
        items = sorted((name, _frozen(value)) for name, value in options.items())
        object.__setattr__(self, "family", family)
        object.__setattr__(self, "_options", tuple(items))
        _try(self)

    @property
    def options(self) -> Mapping[str, Any]:
        """The options given, without the defaults."""
        return MappingProxyType(dict(self._options))

    def option(self, name: str) -> Any:
        """Returns an option's value, given or default; None where the family has no such option or default."""
        return self.options.get(name, block_options(self.family).get(name))

    def build(self, in_channels: int, out_channels: int, stride: Any = 1, *, dims: int = 2) -> nn.Module:
        """Builds the module. Raises SpecError whose path is the option that cannot work."""
        family = block_class(self.family)
        place = {"stride": stride}
        if "dims" in _parameters(self.family):
            place["dims"] = dims
        elif dims != 2:
            raise SpecError(
                "family", f"{self.family} has no option dims, so it cannot be built for dims={dims}"
            )
        try:
            return family(in_channels, out_channels, **place, **self.options)
        except OptionError as error:
            raise error.at(error.option) from error
        except Exception as error:  # a class of the user's own may raise anything
            reason = " ".join(str(error).split()) or type(error).__name__
            raise SpecError(
                "",
                f"{shown(repr(self))} with in_channels={in_channels}, out_channels={out_channels}: {shown(reason)}",
            ) from error

    def deployed(self) -> "BlockSpec":
        """Returns the block that is deployed: itself, unless its family is turned into another form after training.

        Raises SpecError for a class of yours whose `deployed` is not so.
        """
        form = deployed_options(self.family)
        return BlockSpec(self.family, **{**self.options, **form}) if form else self

    def to_dict(self) -> dict[str, Any]:
        """Returns a plain table: ``{"family": "residual", "depth": 4}``."""
        return {"family": self.family, **self.options}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> "BlockSpec":
        """Returns the spec of a table that `to_dict` gave. Raises SpecError."""
        require_shallow(table)
        if not isinstance(table, Mapping) or not isinstance(table.get("family"), str):
            raise SpecError(
                "family", f"expected a family's name, one of {', '.join(BLOCKS)}, in {shown(repr(table))}"
            )
        options = {str(name): value for name, value in table.items() if name != "family"}
        return cls(table["family"], **options)

    @classmethod
    def parse(cls, text: str) -> "BlockSpec":
        """Reads ``residual(attention=eca)`` as a command line has it; str is the inverse. Raises SpecError."""
        family, options = parse(text)
        return cls(family, **options)

    def __str__(self) -> str:
        return written(self.family, self.options)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"BlockSpec is frozen: make a new one to change {name}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlockSpec) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self._options)
        return f"BlockSpec({self.family!r}{options})"

    def _key(self) -> tuple[str, str]:
        # 3 == 3.0 == True would share a cached block
        return self.family, repr(self._options)

    # slots and a frozen __setattr__ need this to reach worker processes
    def __reduce__(self) -> Any:
        return BlockSpec.from_dict, (self.to_dict(),)


def block_class(family: str) -> type[nn.Module]:
    """Returns the class behind a family's name or ``package.module:Class``. Raises SpecError."""
    if not isinstance(family, str):
        raise SpecError(
            "family",
            f"got {shown(repr(family))}; expected a name, one of {', '.join(BLOCKS)} or package.module:Class",
        )
    return _class_called(family)


@cache
def _class_called(family: str) -> type[nn.Module]:
    if family in BLOCKS:
        return BLOCKS[family]
    module_name, colon, class_name = family.partition(":")
    if not colon:
        otherwise = f"; the families are {', '.join(BLOCKS)}, your own is named package.module:Class"
        raise SpecError(
            "family", f"there is no family {shown(repr(family))}{_hint(family, list(BLOCKS), otherwise)}"
        )
    try:
        block = getattr(import_named(module_name), class_name)
    except Exception as error:  # importing runs the user's file, which may raise anything
        raise SpecError("family", f"{family!r} cannot be imported: {error}") from error
    if not (inspect.isclass(block) and issubclass(block, nn.Module)):
        raise SpecError("family", f"{family!r} is not a torch.nn.Module class")
    missing = {"in_channels", "out_channels", "stride"} - set(inspect.signature(block).parameters)
    if missing:
        raise SpecError(
            "family",
            f"{family!r} must take (in_channels, out_channels, *, stride, …); it lacks {sorted(missing)}",
        )
    return block


def _parameters(family: str) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(block_class(family)).parameters


def block_options(family: str) -> dict[str, Any]:
    """Returns the options of a family with their defaults, read off its constructor."""
    parameters = _parameters(family).values()
    return {
        p.name: None if p.default is p.empty else p.default
        for p in parameters
        if p.name not in PLACE and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    }


def fixed_depth(family: str, options: Mapping[str, Any]) -> int | None:
    """Returns the block depth that options fix: `depth`, or what the class's own `fixed_depth(**options)` reads off.

    None where they leave it open. Raises SpecError for options that cannot be.
    """
    read_depth = getattr(block_class(family), "fixed_depth", None)
    try:
        depth = read_depth(**options) if read_depth else options.get("depth")
        return None if depth is None else whole("depth", depth, at_least=1)
    except OptionError as error:
        raise error.at(error.option) from error


def deployed_options(family: str) -> Mapping[str, Any]:
    """Returns a class's own `deployed`: the options of the form into which `reparameterize()` turns a trained block.

    Empty where a family is deployed as it is trained. Raises SpecError for what is no such thing.
    """
    family_class = block_class(family)
    form = getattr(family_class, "deployed", {})
    if not isinstance(form, Mapping):
        raise SpecError("", f"{family}.deployed is {form!r}; expected options, as in {{'merged': True}}")
    for name in form:
        if name not in block_options(family):
            raise SpecError("", f"{family}.deployed has {name}, which is none of its options")
    if form and not callable(getattr(family_class, "reparameterize", None)):
        raise SpecError("", f"{family}.deployed needs a method reparameterize() that turns a trained block")
    return form


def foreign_classes(table: object) -> list[str]:
    """Returns the families named package.module:Class in the tables of a block or network; building them runs code."""
    families, parts = [], [table]
    # without recursion, since a stranger's tables may nest without end
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            families.append(part.get("family"))
        if isinstance(part, dict | list):
            parts += reversed(list(part.values()) if isinstance(part, dict) else part)
    return list(dict.fromkeys(name for name in families if isinstance(name, str) and ":" in name))


def refusal_of_code(action: str, classes: Sequence[str]) -> tuple[Part, ...]:
    """Returns the parts of a message that refuses an `action`, since it would import classes that nobody trusts."""
    return (
        f"{action} imports {listed(classes)} and so runs that code; if you trust it, pass ",
        Setting("trust_code", True),
    )


@lru_cache(maxsize=65_536)
def meta_block(spec: BlockSpec, in_channels: int, out_channels: int, stride: Any, dims: int) -> nn.Module:
    """Returns the block on the meta device, without memory, in eval mode; shared, so never change it."""
    with torch.device("meta"):
        return spec.build(in_channels, out_channels, stride, dims=dims).eval()


@lru_cache(maxsize=65_536)
def _try(spec: BlockSpec) -> None:
    """Raises SpecError if the block cannot be built for any number of axes, at channels that suit its options."""
    values = [value for _, value in spec._options]
    channels = TRIAL_CHANNELS
    for value in values:
        if isinstance(value, int) and value > 0 and lcm(channels, value) <= MOST_TRIAL_CHANNELS:
            channels = lcm(channels, value)
    axes = {len(value) for value in values if isinstance(value, tuple)}
    refusals = []
    for dims in sorted(
        (2, 1, 3) if "dims" in _parameters(spec.family) else (2,), key=lambda d: d not in axes
    ):
        try:
            with torch.device("meta"):
                spec.build(channels, channels, dims=dims)
        except SpecError as refusal:
            refusals.append(refusal)
        else:
            return
    raise refusals[0]


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _hint(name: str, names: list[str], otherwise: str | None = None) -> str:
    close = get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; it has {', '.join(sorted(names))}" if otherwise is None else otherwise

"""Values that the instances of a class share or differ in, and the constructor's signature that they make."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from convblocks.deploy.code.node import Path, source

# before the name of a part that is a plain attribute; no attribute has a space in it
ATTRIBUTE = "attribute "
# the value of an argument where the instance has no such part
ABSENT = object()
INPUTS = ("in_channels", "in_features", "num_features", "num_channels", "normalized_shape", "channels")
OUTPUTS = ("out_channels", "out_features")
WIDTHS = (*INPUTS, *OUTPUTS, "groups", "num_groups", "hidden_channels")
# what people never write into a class as a number
OPEN = (*INPUTS, *OUTPUTS, "hidden_channels")


@dataclass
class Variable:
    """A value that several arguments share in every instance."""

    values: list[Any]
    paths: list[Path]
    name: str = ""
    # the expression in other variables that gives it, if there is one
    derived: str = ""
    default: Any = ...

    def agrees(self, values: Sequence[Any]) -> bool:
        """Returns true where `values` are the same in every instance that has both."""
        return all(a is ABSENT or b is ABSENT or same(a, b) for a, b in zip(self.values, values, strict=True))

    def take(self, path: Path, values: Sequence[Any]) -> None:
        """Adds the argument at `path`, which has these values."""
        self.paths.append(path)
        self.values = [b if a is ABSENT else a for a, b in zip(self.values, values, strict=True)]

    @property
    def is_width(self) -> bool:
        """A number of channels or features, or a size of a tensor."""
        return self.paths[0][-1] in WIDTHS or self.paths[0][-1].startswith("size_")


@dataclass
class Parameters:
    """A constructor's signature, and the expressions that stand for the arguments of its parts."""

    variables: list[Variable] = field(default_factory=list)
    symbols: dict[Path, str] = field(default_factory=dict)
    # by part: the test for its being there
    conditions: dict[str, str] = field(default_factory=dict)
    # statements of the constructor before the parts are made
    lines: list[str] = field(default_factory=list)

    @property
    def signature(self) -> list[Variable]:
        """The constructor's parameters, those without a default first."""
        own = [v for v in self.variables if not v.derived]
        return sorted(own, key=lambda v: v.default is not ...)

    def arguments(self, i: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns the arguments that instance `i` is made with, and the defaults."""
        values = {v.name: None if v.values[i] is ABSENT else v.values[i] for v in self.signature}
        return values, {v.name: v.default for v in self.signature if v.default is not ...}


def same(a: Any, b: Any) -> bool:
    """Returns true for equal values of one type, so that 1, 1.0 and True differ."""
    return type(a) is type(b) and bool(a == b)


def annotation(variable: Variable) -> str:
    """Returns its type: ``int``, ``float | None``, ``int | tuple[int, int]``."""
    kinds = []
    for value in [*variable.values, *([] if variable.default is ... else [variable.default])]:
        if value is ABSENT or value is None:
            continue
        inner = type(value[0]).__name__ if isinstance(value, tuple | list) and value else "int"
        plural = f"tuple[{', '.join([inner] * len(value))}]" if isinstance(value, tuple) else f"list[{inner}]"
        kinds.append(plural if isinstance(value, tuple | list) else type(value).__name__)
    text = " | ".join(dict.fromkeys(kinds)) or "None"
    nothing = ABSENT in variable.values or None in variable.values
    return f"{text} | None" if nothing and text != "None" else text


def declared(variable: Variable) -> str:
    """Returns its declaration: ``stride: int = 1``."""
    default = "" if variable.default is ... else f" = {source(variable.default)}"
    return f"{variable.name}: {annotation(variable)}{default}"

"""All exceptions that convblocks raises for what a user did.

    ConvblocksError (ValueError)
    ├── OptionError    an option of a layer, block, network or command cannot work
    ├── SpecError      a block or network description is wrong; says where, as in stages[1].block.depth
    ├── DataError      a data set cannot be used; names the file
    ├── WeightsError   weights do not fit a network, or their file cannot be read
    ├── RunError       a run folder is missing, busy, damaged or of another study
    ├── TraceError     a module's forward pass cannot be observed
    ├── TargetError    the target of a command does not exist, or is no module and makes none
    ├── CodeError      a module cannot be written as a file that stands alone
    └── MissingExtra   an optional package is not installed; names the install line

Each message says what was given, what was expected and what to do instead, in one line. An argument that it
names is a Setting among its parts, so that each caller reads his own spelling: image_size=8 in Python,
--image-size 8 on the command line.
"""

from collections.abc import Callable
from dataclasses import dataclass

from convblocks.text import shown


@dataclass(frozen=True)
class Setting:
    """An argument that a message names, with a value or, as ``...``, without."""

    option: str
    value: object = ...

    def __str__(self) -> str:
        return self.option if self.value is ... else f"{self.option}={shown(repr(self.value))}"


Part = str | Setting


class ConvblocksError(ValueError):
    """Base of all errors that a user can fix; made of the parts of its message."""

    def parts(self) -> tuple[Part, ...]:
        """Returns the message in parts: text, and the arguments that it names."""
        return self.args

    def render(self, spell: Callable[[Setting], str]) -> str:
        """Returns the message, with each argument as `spell` writes it."""
        return "".join(part if isinstance(part, str) else spell(part) for part in self.parts())

    def __str__(self) -> str:
        return self.render(str)


class OptionError(ConvblocksError):
    """An option has a value that cannot work; `option`, `given` and `expected` say which and why."""

    def __init__(self, option: str, given: object, expected: str):
        self.option, self.given, self.expected = option, given, expected
        # all of them, so that it survives the way from a worker
        super().__init__(option, given, expected)

    def parts(self) -> tuple[Part, ...]:
        """Returns the option with its value, and the expectation."""
        return Setting(self.option, self.given), f": {self.expected}"

    def at(self, path: str) -> "SpecError":
        """Returns the same refusal as the error of a description, in which the option is at `path`."""
        return SpecError(path, f"got {shown(repr(self.given))}; {self.expected}")


class SpecError(ConvblocksError):
    """A description is wrong at `path`, e.g. ``stages[1].block.depth``."""

    def __init__(self, path: str, problem: str):
        self.path, self.problem = path, problem
        super().__init__(path, problem)

    def parts(self) -> tuple[Part, ...]:
        """Returns path and problem, as text."""
        return (f"{self.path}: {self.problem}" if self.path else self.problem,)


class DataError(ConvblocksError):
    """A data set, or one file of it, cannot be used."""


class WeightsError(ConvblocksError):
    """Weights do not fit a network, or their file cannot be read."""


class RunError(ConvblocksError):
    """A run folder cannot be read or written."""


class TraceError(ConvblocksError):
    """A module's forward pass cannot be observed."""


class TargetError(ConvblocksError):
    """A target names no module, and nothing that makes one."""


class CodeError(ConvblocksError):
    """A module cannot be written as a standalone file."""


class MissingExtra(ConvblocksError):
    """An optional package is missing; the message names the line that installs it."""

    def __init__(self, package: str, extra: str, purpose: str):
        self.package, self.extra, self.purpose = package, extra, purpose
        super().__init__(package, extra, purpose)

    def parts(self) -> tuple[Part, ...]:
        """Returns the purpose, the package and the line that installs it, as text."""
        return (f"{self.purpose} needs {self.package}: pip install 'convblocks[{self.extra}]'",)

"""Every exception convblocks raises for what a user did.

    ConvblocksError (ValueError)
    ├── OptionError    an option of a layer, block, network or command cannot work
    ├── SpecError      a block or network description is wrong; says where, as in stages[1].block.depth
    ├── DataError      a data set cannot be used; names the file
    ├── RunError       a run folder is missing, busy, damaged or of another study
    ├── TraceError     a module's forward pass cannot be observed
    ├── TargetError    what a command shall look at does not exist, or is no module and makes none
    └── MissingExtra   an optional package is not installed; names the install line

Each message says what was given, what was expected and what to do instead, in one line, so
that the command line can print it as it is.
"""


class ConvblocksError(ValueError):
    """Base of all errors that a user can mend."""


class OptionError(ConvblocksError):
    """An option has a value that cannot work; `option`, `given` and `expected` say which and why."""

    def __init__(self, option: str, given: object, expected: str):
        self.option, self.given, self.expected = option, given, expected
        super().__init__(option, given, expected)  # all of them, so that it survives the way from a worker

    def __str__(self) -> str:
        return f"{self.option}={self.given!r}: {self.expected}"


class SpecError(ConvblocksError):
    """A description is wrong at `path`, e.g. ``stages[1].block.depth``."""

    def __init__(self, path: str, problem: str):
        self.path, self.problem = path, problem
        super().__init__(path, problem)

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


class DataError(ConvblocksError):
    """A data set, or one file of it, cannot be used."""


class RunError(ConvblocksError):
    """A run folder cannot be read or written."""


class TraceError(ConvblocksError):
    """A module's forward pass cannot be observed."""


class TargetError(ConvblocksError):
    """A target names no module, and nothing that makes one."""


class MissingExtra(ConvblocksError):
    """An optional package is missing; names the line that installs it."""

    def __init__(self, package: str, extra: str, purpose: str):
        self.package, self.extra, self.purpose = package, extra, purpose
        super().__init__(package, extra, purpose)

    def __str__(self) -> str:
        return f"{self.purpose} needs {self.package}: pip install 'convblocks[{self.extra}]'"

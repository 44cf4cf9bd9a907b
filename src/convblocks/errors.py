"""Every exception convblocks raises for what a user did.

    ConvblocksError (ValueError)
    ├── OptionError    an option of a layer, block, network or command cannot work
    ├── SpecError      a block or network description is wrong; says where, as in stages[1].block.depth
    ├── DataError      a data set cannot be used; names the file
    ├── RunError       a run folder is missing, busy, damaged or of another study
    ├── TraceError     a module's forward pass cannot be observed
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
        super().__init__(f"{option}={given!r}: {expected}")


class SpecError(ConvblocksError):
    """A description is wrong at `path`, e.g. ``stages[1].block.depth``."""

    def __init__(self, path: str, problem: str):
        self.path = path
        super().__init__(f"{path}: {problem}" if path else problem)


class DataError(ConvblocksError):
    """A data set, or one file of it, cannot be used."""


class RunError(ConvblocksError):
    """A run folder cannot be read or written."""


class TraceError(ConvblocksError):
    """A module's forward pass cannot be observed."""


class MissingExtra(ConvblocksError):
    """An optional package is missing; names the line that installs it."""

    def __init__(self, package: str, extra: str, purpose: str):
        super().__init__(f"{purpose} needs {package}: pip install 'convblocks[{extra}]'")

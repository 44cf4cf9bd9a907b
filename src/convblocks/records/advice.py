"""The record of `advise`: findings, each by a rule with a stable id."""

import warnings
from typing import Literal

from msgspec import Struct, field

Severity = Literal["note", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = ("note", "warning", "error")
"""note: true, and perhaps meant; warning: costs something and gives nothing; error: does not work."""


class Finding(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule that is broken at one place."""

    id: str  # of the rule, e.g. CB101
    severity: Severity
    place: str  # module path; empty for the whole
    message: str  # with the figures
    fix: str = field(name="mend")  # what to do; JSON has it as "mend", as in earlier versions
    figures: dict[str, int | float | str]  # the same figures, by name

    @property
    def mend(self) -> str:
        """The fix, by the name of earlier versions."""
        warnings.warn("Finding.mend is now Finding.fix", DeprecationWarning, stacklevel=2)
        return self.fix

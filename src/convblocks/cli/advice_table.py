"""Findings as linters print them, a line each with its place first; and the table of rules."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from convblocks.advice import Rule
from convblocks.cli.terminal import SafeConsole
from convblocks.records import SEVERITIES, Finding
from convblocks.text import plural, shown

SHOWN = 3  # places of one rule, fix and severity
STYLES = {"note": "cyan", "warning": "yellow", "error": "red"}


def print_findings(findings: Sequence[Finding], module: str, *, all_places: bool) -> None:
    """Prints one line a finding and one for its fix; `module` is the name of a place without one."""
    console = SafeConsole()
    for _, group in groupby(findings, lambda finding: (finding.id, finding.severity)):
        alike = list(group)
        listed = alike if all_places or len(alike) == SHOWN + 1 else alike[:SHOWN]
        for fix, run in groupby(listed, lambda finding: finding.fix):
            for finding in run:
                console.print(_line(finding, module))
            console.print(Padding(Text(f"fix: {fix}", style="dim"), (0, 0, 0, 4), expand=False))
        if len(listed) < len(alike):
            more = f"    … and at {len(alike) - len(listed)} more places; --all-places shows them"
            console.print(Text(more, style="dim"), soft_wrap=True)
    console.print(_summary(findings))


def _line(finding: Finding, module: str) -> Text:
    return Text.assemble(
        (shown(finding.place or module), "bold"),
        ": ",
        (finding.id, STYLES[finding.severity]),
        f" {finding.severity} {finding.message}",
    )


def _summary(findings: Sequence[Finding]) -> str:
    if not findings:
        return "Nothing found."
    counts = Counter(finding.severity for finding in findings)
    parts = [plural(counts[s], s) for s in reversed(SEVERITIES) if counts[s]]
    return f"Found {', '.join(parts)}."


def print_rules(rules: Iterable[Rule]) -> None:
    """Prints id, severity, what and why of each rule; those on request are marked."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in ("id", "severity", "what", "why"):
        table.add_column(name)
    for rule in rules:
        table.add_row(f"{rule.id}{'*' if rule.on_request else ''}", rule.severity, rule.what, rule.why)
    console = SafeConsole()
    console.print(table)
    console.print("* only on request: CB3 by --measure, CB4 by --signal, or either by --select.", style="dim")

"""`render_markdown`: a study as Markdown, to be pasted into a pull request or an issue."""

import html
import re
from collections.abc import Sequence

from convblocks.formatting import MISSING
from convblocks.records import Design, Study, Summary
from convblocks.report import columns, conditions
from convblocks.report.entries import Entry, collect
from convblocks.text import escaped


def render_markdown(study: Study, designs: Sequence[Design], summary: Summary) -> str:
    """Returns headline, reasons, table and conditions; text from outside can neither format nor break it."""
    entries = collect(study, designs, (), summary)
    parts = [
        f"## {_escape(conditions.question(study))}",
        f"**{_escape(summary.headline)}**",
        *(f"**{_escape(lead)}:** {_escape(text)}" for lead, text in summary.paragraphs),
        _fenced(conditions.load_call(study, designs, summary), "python"),
        _table(study, summary, entries),
        _facts(conditions.left_out(study, designs, ()), "Left out"),
        _conditions(study, designs, summary),
    ]
    return escaped("\n\n".join(part for part in parts if part)) + "\n"


def _table(study: Study, summary: Summary, entries: Sequence[Entry]) -> str:
    if not entries:
        return ""
    fields = columns.fields(study, summary)
    lines = [
        _row([_escape(column.title.format_map(fields)) for column in columns.COLUMNS]),
        _row([("--:" if column.numeric else ":--") for column in columns.COLUMNS]),
    ]
    lines += [_row([_cell(column.cell(entry)) for column in columns.COLUMNS]) for entry in entries]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: columns.Cell) -> str:
    lines = [_escape(text) for text in (cell.text, cell.detail) if text]
    return "<br>".join(lines) or MISSING


def _conditions(study: Study, designs: Sequence[Design], summary: Summary) -> str:
    groups = "\n\n".join(
        _facts(group.facts, group.title) for group in conditions.conditions(study, designs, summary)
    )
    command = _fenced(study.command, "sh")
    return f"<details><summary>Conditions</summary>\n\n{command}\n\n{groups}\n\n</details>"


def _facts(facts: Sequence[conditions.Fact], title: str) -> str:
    if not facts:
        return ""
    lines = [f"- {_escape(fact.term)}: {_escape(fact.text)}" for fact in facts]
    return "\n".join([f"**{_escape(title)}**", "", *lines])


def _fenced(code: str, language: str) -> str:
    """Returns the code in a fence longer than any run of backticks in it."""
    if not code:
        return ""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", code)), default=0))
    return f"{fence}{language}\n{code}\n{fence}"


def _escape(text: str) -> str:
    r"""Returns one line of plain text: HTML as entities, Markdown's own signs behind a backslash.

    >>> _escape("a|b <i> *c*")
    'a\\|b &lt;i&gt; \\*c\\*'
    """
    safe = re.sub(r"([\\`*_\[\]|~])", r"\\\1", html.escape(" ".join(text.split(" ")), quote=False))
    safe = re.sub(r"[\r\n]+", " ", safe)
    return re.sub(r"^(\s*)([#+\-]|\d+[.)])(?=\s|$)", lambda m: f"{m[1]}{_first(m[2])}", safe)


def _first(sign: str) -> str:
    """Returns a line's first sign escaped, so that it starts neither heading nor list."""
    return f"\\{sign}" if len(sign) == 1 else f"{sign[:-1]}\\{sign[-1]}"

"""`render_html`: a study as one HTML file that needs nothing else; study.html is its template."""

import re
from collections.abc import Sequence
from functools import partial

from markupsafe import Markup, escape

from convblocks.records import Design, Run, Study, Summary
from convblocks.report import columns, conditions
from convblocks.report.entries import Entry, collect, labels
from convblocks.report.figures import figures
from convblocks.report.outline_svg import outline_svg
from convblocks.report.page import filled
from convblocks.report.scales import series_styles
from convblocks.text import plural


def render_html(study: Study, designs: Sequence[Design], runs: Sequence[Run], summary: Summary) -> str:
    """The report of a study, finished or not. The same records give the same text."""
    entries = collect(study, designs, runs, summary)
    found = labels(entries)
    return filled(
        "study.html",
        figures(study, summary, entries),
        versions=study.host.versions,
        study=study,
        summary=summary,
        question=conditions.question(study),
        budget=conditions.budget(study),
        seeds=plural(len(study.seeds), "seed"),
        call=conditions.load_call(study, designs, summary),
        highlights=_highlights(study, summary, entries),
        columns=_titled(study, summary),
        tables=[_table(study, summary, entries, structure) for structure in (False, True)],
        entries=entries,
        styles={style.label: style for style in series_styles(found)},
        unbroken=partial(_unbroken, names=[*found, *(entry.design.name for entry in entries)]),
        blocks=_blocks(entries, found),
        left_out=conditions.left_out(study, designs, runs),
        conditions=conditions.conditions(study, designs, summary),
    )


def _table(
    study: Study, summary: Summary, entries: Sequence[Entry], structure: bool
) -> tuple[list[tuple[columns.Column, str]], list[list[tuple[columns.Column, columns.Cell]]]]:
    """One of the two tables of designs, which each fit a screen: its columns with their titles, and its rows."""
    design, *others = columns.COLUMNS
    shown = [design, *(column for column in others if column.structure is structure)]
    told = columns.fields(study, summary)
    titled = [(column, column.title.format_map(told)) for column in shown]
    return titled, [[(column, column.cell(entry)) for column in shown] for entry in entries]


def _titled(study: Study, summary: Summary) -> list[tuple[str, str]]:
    told = columns.fields(study, summary)
    return [(c.title.format_map(told), c.definition.format_map(told)) for c in columns.COLUMNS]


def _blocks(entries: Sequence[Entry], found: Sequence[str]) -> list[tuple[str, str, Markup]]:
    """(label, design, picture) of a block of each implementation, from its shallowest design."""
    first: dict[str, Design] = {}
    for entry in sorted(entries, key=lambda e: e.design.stack_depth):
        first.setdefault(entry.design.label, entry.design)
    drawn = [(label, first[label].name, first[label].block) for label in found]
    return [(label, name, Markup(outline_svg(block, style=""))) for label, name, block in drawn if block]  # noqa: S704


def _highlights(study: Study, summary: Summary, entries: Sequence[Entry]) -> list[tuple[str, columns.Cell]]:
    """What matters most about the recommended design: (column title, cell)."""
    titled = dict(zip((title for title, _ in _titled(study, summary)), columns.COLUMNS, strict=True))
    shown = (f"Test {study.data.metric}, %", "Latency, ms", "Params", "MACs", "Receptive field, px")
    return [(title, titled[title].cell(e)) for e in entries if e.recommended for title in shown]


def _unbroken(text: str, names: Sequence[str]) -> Markup:
    """The text, escaped, with no line broken within one of the names."""
    if not names:
        return escape(text)
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    parts = re.split(rf"(?<![\w-])({longest_first})(?![\w-])", text)
    spans = [
        Markup('<span class="name">{}</span>').format(p) if i % 2 else escape(p) for i, p in enumerate(parts)
    ]
    return Markup("").join(spans)

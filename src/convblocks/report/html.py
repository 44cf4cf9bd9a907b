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


def render_html(study: Study, designs: Sequence[Design], runs: Sequence[Run], summary: Summary) -> str:
    """Returns the report of a study, finished or not. The same records give the same text."""
    entries = collect(study, designs, runs, summary)
    names = labels(entries)
    return filled(
        "study.html",
        figures(study, summary, entries),
        versions=study.host.versions,
        study=study,
        summary=summary,
        question=conditions.question(study),
        budget=conditions.budget(study),
        seeds=conditions.seeds(study),
        call=conditions.load_call(study, designs, summary),
        highlights=_highlights(study, summary, entries),
        columns=_titled(study, summary),
        tables=[_table(study, summary, entries, structure) for structure in (False, True)],
        entries=entries,
        styles={style.label: style for style in series_styles(names)},
        unbroken=partial(_unbroken, names=[*names, *(entry.design.name for entry in entries)]),
        blocks=_blocks(entries, names),
        left_out=conditions.left_out(study, designs, runs),
        conditions=conditions.conditions(study, designs, summary),
    )


def _table(
    study: Study, summary: Summary, entries: Sequence[Entry], structure: bool
) -> tuple[list[tuple[columns.Column, str]], list[list[tuple[columns.Column, columns.Cell]]]]:
    """Returns one of the two tables of designs, which each fit a screen: its columns with titles, and its rows."""
    design, *rest = columns.COLUMNS
    shown = [design, *(column for column in rest if column.structure is structure)]
    fields = columns.fields(study, summary)
    titled = [(column, column.title.format_map(fields)) for column in shown]
    return titled, [[(column, column.cell(entry)) for column in shown] for entry in entries]


def _titled(study: Study, summary: Summary) -> list[tuple[str, str]]:
    fields = columns.fields(study, summary)
    return [(c.title.format_map(fields), c.definition.format_map(fields)) for c in columns.COLUMNS]


def _blocks(entries: Sequence[Entry], names: Sequence[str]) -> list[tuple[str, str, Markup]]:
    """Returns (label, design, picture) of a block of each implementation, from its shallowest design."""
    first: dict[str, Design] = {}
    for entry in sorted(entries, key=lambda e: e.design.stack_depth):
        first.setdefault(entry.design.label, entry.design)
    drawn = [(label, first[label].name, first[label].block) for label in names]
    return [(label, name, Markup(outline_svg(block, style=""))) for label, name, block in drawn if block]  # noqa: S704


def _highlights(study: Study, summary: Summary, entries: Sequence[Entry]) -> list[tuple[str, columns.Cell]]:
    """Returns the main figures of the recommended design: (column title, cell)."""
    titled = dict(zip((title for title, _ in _titled(study, summary)), columns.COLUMNS, strict=True))
    shown = (f"Test {study.data.metric}, %", "Latency, ms", "Params", "MACs", "Receptive field, px")
    return [(title, titled[title].cell(e)) for e in entries if e.recommended for title in shown]


def _unbroken(text: str, names: Sequence[str]) -> Markup:
    """Returns the text, escaped, with no line broken within one of the names."""
    if not names:
        return escape(text)
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    parts = re.split(rf"(?<![\w-])({longest_first})(?![\w-])", text)
    spans = [
        Markup('<span class="name">{}</span>').format(p) if i % 2 else escape(p) for i, p in enumerate(parts)
    ]
    return Markup("").join(spans)

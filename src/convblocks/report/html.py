"""`render_html`: a study as one HTML file that needs nothing else.

page.html is the page, filled by Jinja2 with autoescaping; page.js draws the charts and sorts the table. Text
that came from outside (classes, folders, messages) ends as text: Jinja2 escapes what stands in the page, `_json`
what stands in scripts, and should both fail, the page's content security policy runs only the two scripts whose
hashes it names and lets nothing be loaded.
"""

import json
import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files

import vl_convert
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from convblocks.records import Design, Run, Study, Summary
from convblocks.report import columns, conditions
from convblocks.report.entries import Entry, collect, labels
from convblocks.report.figures import Figure, figures
from convblocks.report.format import plural
from convblocks.report.scales import STYLE, looks

_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def render_html(study: Study, designs: Sequence[Design], runs: Sequence[Run], summary: Summary) -> str:
    """The report of a study, finished or not. The same records give the same text."""
    entries = collect(study, designs, runs, summary)
    found = labels(entries)
    drawn = figures(study, summary, entries)
    scripts = {"bundle": _bundle(), "script": _asset("page.js")} if any(f.panels for f in drawn) else {}
    scripts = {"bundle": "", "script": _asset("page.js"), **scripts}
    return _template().render(
        study=study,
        summary=summary,
        question=conditions.question(study),
        budget=conditions.budget(study),
        seeds=plural(len(study.seeds), "seed"),
        call=conditions.load_call(study, summary),
        highlights=_highlights(study, summary, entries),
        columns=_titled(study, summary),
        rows=[[(column, column.cell(entry)) for column in columns.COLUMNS] for entry in entries],
        entries=entries,
        looks={look.label: look for look in looks(found)},
        unbroken=partial(_unbroken, names=[*found, *(entry.design.name for entry in entries)]),
        left_out=conditions.left_out(study, designs, runs),
        figures=[(figure, _specs(figure)) for figure in drawn],
        conditions=conditions.conditions(study, summary),
        style=_json(STYLE),
        policy=_policy([text for text in scripts.values() if text]),
        **{name: Markup(text) for name, text in scripts.items()},  # noqa: S704
    )


def _titled(study: Study, summary: Summary) -> list[tuple[str, str]]:
    told = columns.fields(study, summary)
    return [(c.title.format_map(told), c.definition.format_map(told)) for c in columns.COLUMNS]


def _highlights(study: Study, summary: Summary, entries: Sequence[Entry]) -> list[tuple[str, columns.Cell]]:
    """What matters most about the recommended design: (column title, cell)."""
    titled = dict(zip((title for title, _ in _titled(study, summary)), columns.COLUMNS, strict=True))
    shown = ("Test accuracy, %", "Latency, ms", "Params", "MACs", "Receptive field, px")
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


def _specs(figure: Figure) -> list[tuple[str, Markup]]:
    """Each panel's title and its chart as Vega-Lite."""
    return [(panel.title, _json(panel.chart.to_dict())) for panel in figure.panels]


def _json(value: object) -> Markup:
    """JSON that no HTML parser takes for markup. Raises ValueError for nan and infinity, which JSON lacks."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))  # noqa: S704


def _policy(scripts: Sequence[str]) -> str:
    """Content security policy: these scripts and no others, inline style, no request at all."""
    hashes = [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in scripts]
    return (
        f"default-src 'none'; script-src {' '.join(hashes)}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script; a second to make, so made once a process."""
    text: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return text.replace("</script", "<\\/script").replace(
        "<!--", "<\\!--"
    )  # the same within JavaScript's strings


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.from_string(_asset("page.html"))


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")

"""One HTML file that needs nothing else: a template filled by Jinja2, its style and its scripts within.

base.html is the frame; page.js draws the charts and sorts the table. Text that came from outside (classes, folders,
messages) ends as text: Jinja2 escapes what stands in the page, `as_json` what stands in scripts, `text.escaped` control
characters in both. Should all that fail, the page's content security policy runs only the two scripts whose hashes it
names and lets nothing be loaded.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

import vl_convert
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from convblocks.report.figures import Figure
from convblocks.report.scales import STYLE
from convblocks.text import escaped, with_texts

_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def filled(template: str, drawn: Sequence[Figure], *, versions: Mapping[str, str], **context: object) -> str:
    """Returns the page of a template that extends base.html.

    Args:
        template: its file.
        drawn: the figures, which the template gets as `figures` with their charts as JSON.
        versions: of packages, by name.
        context: all else that the template names.
    """
    bundle = _bundle() if any(figure.panels for figure in drawn) else ""
    script = _asset("page.js")
    page = (
        _environment()
        .get_template(template)
        .render(
            figures=[(figure, _specs(figure)) for figure in drawn],
            versions=versions,
            css=Markup(_asset("page.css")),  # noqa: S704
            style=as_json(STYLE),
            policy=_policy([text for text in (bundle, script) if text]),
            bundle=Markup(bundle),  # noqa: S704
            script=Markup(script),  # noqa: S704
            **context,
        )
    )
    # the scripts, whose hashes are in the policy, have nothing to escape, as a test makes sure
    return escaped(page)


def _specs(figure: Figure) -> list[tuple[str, Markup]]:
    """Returns each panel's title and its chart as Vega-Lite."""
    return [(panel.title, as_json(panel.chart.to_dict())) for panel in figure.panels]


def as_json(value: object) -> Markup:
    """Returns JSON that no HTML parser takes for markup.

    Raises:
        ValueError: a number is nan or infinite, which JSON lacks.
    """
    # an escape of JSON's own would become the character again in the chart
    text = json.dumps(with_texts(value, escaped), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))  # noqa: S704


def _policy(scripts: Sequence[str]) -> str:
    """Returns the content security policy: these scripts and no others, inline style, no request at all."""
    hashes = [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in scripts]
    return (
        f"default-src 'none'; script-src {' '.join(hashes)}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _bundle() -> str:
    """Returns Vega, Vega-Lite and Vega-Embed in one script; it takes a second, so it is made once a process."""
    text: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return text.replace("</script", "<\\/script").replace(
        "<!--", "<\\!--"
    )  # the same within JavaScript's strings


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_asset),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")

"""The report for a pull request."""

import re

from msgspec.structs import replace

from convblocks.records import Paragraph
from convblocks.report.columns import COLUMNS
from convblocks.report.markdown import render_markdown
from tests.report.conftest import make_design, make_row, make_summary


def table(text: str) -> list[list[str]]:
    """Cells of the table, split as GitHub does: at pipes without a backslash."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_headline_comes_first_and_the_table_has_every_design(records):
    text = render_markdown(records.study, records.designs, records.summary)
    assert (
        text.index("How should a stack of 8 or 56") < text.index(records.summary.headline) < text.index("|")
    )
    rows = table(text)
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert {row[0].removesuffix("<br>recommended") for row in rows[2:]} == {d.name for d in records.designs}
    assert '```python\nconvblocks.load("runs/digits-8-56", "residual-2-d8")\n```' in text
    assert "convblocks compare digits --depth 8" in text
    assert (
        "- “cheapest” means: lowest median latency; of those whose median is not above its upper quartile"
        in text
    )
    assert "\n\n**Deeper simple:** A plain stack" in text


def test_text_from_outside_neither_formats_nor_breaks_the_table(make, records):
    evil = "a|b</details><script>alert(1)</script>*c*`d`\n# e"
    design = make_design(problem=evil)
    study = replace(
        records.study,
        name=evil,
        command="echo ```` && rm",
        data=replace(records.study.data, name=evil, classes=(evil,)),
        notes=(evil,),
    )
    named = make_design(name=evil, stack_depth=8)
    summary = make_summary(
        (make_row(named),), recommended=evil, headline=evil, paragraphs=(Paragraph("# no", "# heading"),)
    )
    text = render_markdown(study, (design, named), summary)
    outside = re.sub(r"(`{3,})\w+\n.*?\n\1", "", text, flags=re.S)  # in a fence all is text
    assert "<script" not in outside
    assert outside.count("</details>") == 1
    assert "*c*" not in outside
    assert "\n# " not in outside
    assert "`````sh\necho ```` && rm\n`````" in text
    assert {len(row) for row in table(outside)} == {len(COLUMNS)}


def test_no_run_and_no_design(make, records):
    summary = make_summary((), recommended=None, headline="No run has finished yet.", paragraphs=())
    text = render_markdown(records.study, (), summary)
    assert "No run has finished yet." in text
    assert "|" not in text
    assert "nan" not in text
    assert "not trained" in render_markdown(records.study, records.designs, summary)

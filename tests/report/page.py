"""The report's page as its elements, for tests to look into."""

from html.parser import HTMLParser

from convblocks.report.columns import COLUMNS
from convblocks.report.html import render_html
from tests.report.conftest import Records

VOID = {"meta", "link", "path", "br"}


class Page(HTMLParser):
    """Elements with their attributes and text; refuses tags that do not match."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[dict] = []
        self.elements: list[dict] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", "within": [e["tag"] for e in self.open], **dict(attrs)}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append({"tag": tag, "text": "", "within": [], **dict(attrs)})

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag: str, **attributes: str) -> list[dict]:
        return [
            e for e in self.elements if e["tag"] == tag and all(e.get(k) == v for k, v in attributes.items())
        ]

    def rows(self) -> list[dict[str, str]]:
        """The tables of designs as one: each design's cells by their column's title, as `COLUMNS` has it."""
        rows: list[list[str]] = []
        for e in self.elements:
            if "details" in e["within"]:
                continue
            if e["tag"] == "tr":
                rows.append([])
            elif e["tag"] in ("th", "td"):
                rows[-1].append(e["text"])
        half = len(rows) // 2
        merged = [[*row, *more[1:]] for row, more in zip(rows[:half], rows[half:], strict=True)]
        shown = sorted(COLUMNS, key=lambda column: column.structure)
        titles = [column.title.replace("{metric}", "accuracy") for column in shown]
        return [dict(zip(titles, row, strict=True)) for row in merged[1:]]


def render(records: Records) -> str:
    return render_html(records.study, records.designs, records.runs, records.summary)


def text_of(page: Page) -> str:
    """All text of the page but scripts and style."""
    return " ".join(e["text"] for e in page.elements if e["tag"] in ("header", "main", "footer"))

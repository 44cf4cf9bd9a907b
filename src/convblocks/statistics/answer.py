"""Writes the answer of a run folder: summary.json, report.md and report.html."""

from pathlib import Path

from convblocks.report.html import render_html
from convblocks.report.markdown import render_markdown
from convblocks.runs.store import RunFolder
from convblocks.statistics.summary import summarise


def write_report(folder: RunFolder) -> Path:
    """Compares the designs of the folder, and writes its summary, report.md and report.html, whose path it returns.

    Raises:
        RunError: if it holds no study.
    """
    study = folder.require_study()
    designs, runs = folder.designs(), folder.runs()
    summary = summarise(study, designs, runs, folder.latencies())
    folder.save_summary(summary)
    folder.save_page("report.md", render_markdown(study, designs, summary))
    return folder.save_page("report.html", render_html(study, designs, runs, summary))

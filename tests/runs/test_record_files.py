"""Records that earlier versions wrote under other field names."""

import msgspec

from convblocks import write_report
from convblocks.runs.envelope import seal
from convblocks.runs.store import RunFolder
from tests.made_records import make_study


class OldSummary(msgspec.Struct):
    """A summary as version 0.1.0 wrote it."""

    recommended: str | None
    told: bool
    headline: str
    paragraphs: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    target_score: float | None = None
    cost: str = "macs"


def test_a_summary_of_an_earlier_version_is_read(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_study(make_study())
    before = OldSummary(recommended="a-d8", told=False, headline="These data do not tell")
    (tmp_path / "summary.json").write_bytes(seal(before, folder.digest()))
    assert folder.summary().conclusive is False
    write_report(folder)
    assert b'"conclusive"' in (tmp_path / "summary.json").read_bytes()

"""The answer of a run folder: its record and its pages are of the runs that the folder holds."""

import pytest

from convblocks.errors import RunError
from convblocks.runs.store import RunFolder
from convblocks.statistics.answer import write_report
from convblocks.statistics.summary import summarise
from tests.made_records import make_design, make_latency, make_study, runs_of


def test_the_answer_is_the_summary_of_the_folder_s_own_records(tmp_path):
    folder, study = RunFolder(tmp_path), make_study()
    designs = [make_design("a"), make_design("b")]
    runs = runs_of(designs[0], 0.98, 0.98, 0.985) + runs_of(designs[1], 0.8, 0.79, 0.81)
    latencies = [make_latency(designs[0], 2.0), make_latency(designs[1], 1.0)]
    folder.save_study(study)
    folder.save_designs(designs)
    folder.save_latencies(latencies)
    for run in runs:
        folder.add_run(run)
    page = write_report(folder)
    assert page == tmp_path / "report.html"
    summary = folder.summary()
    assert summary == summarise(study, designs, runs, latencies)
    for name in ("report.md", "report.html"):
        assert summary.recommended in (tmp_path / name).read_text()


def test_a_folder_without_a_study_is_refused_and_stays_empty(tmp_path):
    with pytest.raises(RunError):
        write_report(RunFolder(tmp_path))
    assert list(tmp_path.iterdir()) == []

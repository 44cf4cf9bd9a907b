"""The run folder under kills, and records of other versions."""

import fcntl

import pytest

from convblocks.errors import RunError
from convblocks.runs.store import RunFolder
from tests.made_records import make_design, make_run, make_study


def test_a_line_that_a_kill_cut_short_is_dropped(tmp_path):
    folder, design = RunFolder(tmp_path), make_design("a")
    folder.save_study(make_study())
    runs = [make_run(design, seed, 0.9) for seed in range(3)]
    for run in runs[:2]:
        folder.add_run(run)
    whole = (tmp_path / "runs.jsonl").read_bytes()
    for cut in range(whole.index(b"\n") + 1, len(whole) - 1):
        (tmp_path / "runs.jsonl").write_bytes(whole[:cut])
        assert folder.runs() == runs[:1]
    folder.add_run(runs[1])
    assert (tmp_path / "runs.jsonl").read_bytes() == whole
    (tmp_path / "runs.jsonl").write_bytes(whole[:-1])  # cut where nothing but the end of the line is lost
    assert folder.runs() == runs[:2]
    folder.add_run(runs[2])
    assert folder.runs() == runs


def test_a_folder_serves_one_compare_at_a_time(tmp_path):
    folder = RunFolder(tmp_path)
    with folder.locked(), pytest.raises(RunError, match="in use by another process"), folder.locked():
        pass
    with folder.locked():
        pass


@pytest.mark.parametrize("line", ['{"colour": "red"}', '{"network": {"a": ' + "[" * 100_000])
def test_records_of_another_version_are_refused(tmp_path, line):
    RunFolder(tmp_path).save_study(make_study())
    (tmp_path / "designs.jsonl").write_text(f"{line}\n")
    with pytest.raises(
        RunError, match=r"designs.jsonl, line 1 is no record that can be used: .*delete the file"
    ):
        RunFolder(tmp_path).designs()


def test_a_run_that_is_added_while_the_file_is_replaced_is_kept(tmp_path, monkeypatch):
    """A late worker of a killed compare opens the file, and the next compare puts another in its place."""
    folder, design = RunFolder(tmp_path), make_design("a")
    folder.save_study(make_study())
    runs = [make_run(design, seed, 0.9) for seed in range(3)]
    for run in runs[:2]:
        folder.add_run(run)
    flock, replaced = fcntl.flock, []

    def replace_first(file, how):
        if not replaced:
            replaced.append(file)
            folder.drop_runs(runs[:1])
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", replace_first)
    folder.add_run(runs[2])
    assert folder.runs() == runs[1:]


def test_no_run_is_added_between_reading_and_dropping_runs(tmp_path, monkeypatch):
    folder, design = RunFolder(tmp_path), make_design("a")
    folder.save_study(make_study())
    runs = [make_run(design, seed, 0.9) for seed in range(2)]
    for run in runs:
        folder.add_run(run)
    held, read = [], RunFolder.runs

    def try_to_lock(self):
        with (tmp_path / "runs.jsonl").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.append(True)
        return read(self)

    monkeypatch.setattr(RunFolder, "runs", try_to_lock)
    folder.drop_runs(runs[:1])
    monkeypatch.undo()
    assert held == [True]
    assert folder.runs() == runs[1:]

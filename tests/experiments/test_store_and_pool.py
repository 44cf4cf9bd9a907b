"""The run folder under kills, and the workers."""

import fcntl
import json
import multiprocessing
import os
import re
import signal
import threading
import time

import pytest
import torch
from msgspec.structs import replace

from convblocks.engine.local_processes import Job, _interrupts_held, run_all
from convblocks.errors import RunError
from convblocks.experiments.resume import default_folder, resume
from convblocks.records import Loading
from convblocks.runs.store import RunFolder
from tests.compared import without_checksum
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
    with folder.locked(), pytest.raises(RunError, match="in use by another compare"), folder.locked():
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


def test_another_version_needs_another_folder(study, tmp_path):
    def made_by(version):
        host = replace(study.host, versions={"torch": "2", "convblocks": version})
        return replace(study, host=host)

    folder = RunFolder(tmp_path)
    resume(folder, made_by("0.1.0"), [])
    with pytest.raises(RunError, match=r": convblocks version 0.1.0, not 0.2.0; choose another out"):
        resume(folder, made_by("0.2.0"), [])


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [
        ("2.13.0", "2.13.0+cu130", True),
        ("2.13.0", "2.13.0", True),
        ("2.13.0", "2.13.1+cu130", False),
        ("2.13.0+cpu", "2.13.0+cu130", False),
        ("2.13.0+cpu", "2.13.0", False),
    ],
)
def test_a_folder_that_has_no_build_of_torch_goes_on_with_any(study, tmp_path, before, now, same):
    def made_by(torch_version):
        versions = {"torch": torch_version, "convblocks": "0.1.0"}
        return replace(study, host=replace(study.host, versions=versions))

    folder = RunFolder(tmp_path)
    resume(folder, made_by(before), [])
    if same:
        assert resume(folder, made_by(now), []).host.versions["torch"] == before
    else:
        with pytest.raises(RunError, match=re.escape(f": torch version {before}, not {now}; choose")):
            resume(folder, made_by(now), [])


def with_torch(study, version):
    versions = {"torch": version, "convblocks": "0.1.0"}
    return replace(study, host=replace(study.host, versions=versions))


BUILDS = ("2.13.0", "2.13.0+cpu", "2.13.0+cu130", "2.13.1+cpu")


def test_each_build_of_torch_has_a_default_folder_of_its_own(study, tmp_path):
    studies = [with_torch(study, build) for build in BUILDS]
    folders = [default_folder(each, tmp_path).path for each in studies]
    assert folders == [tmp_path / f"{study.data.name}-{each.digest[:8]}" for each in studies]
    assert len(set(folders)) == len(BUILDS)


@pytest.mark.parametrize("recorded", BUILDS[:3])
def test_a_default_folder_whose_study_has_no_build_of_torch_is_gone_on_with(study, tmp_path, recorded):
    """Of an earlier version; under the same name a study with a build is another one's."""
    released = with_torch(study, "2.13.0")
    before = RunFolder(tmp_path / f"{study.data.name}-{released.digest[:8]}")
    before.save_study(with_torch(study, recorded))
    for build in BUILDS[1:3]:
        folder = default_folder(with_torch(study, build), tmp_path)
        assert (folder.path == before.path) == (recorded == "2.13.0")
        resume(folder, with_torch(study, build), [])
    assert default_folder(with_torch(study, "2.13.1+cpu"), tmp_path).path != before.path


def test_a_default_folder_that_cannot_be_read_is_told(study, tmp_path):
    released = with_torch(study, "2.13.0")
    path = tmp_path / f"{study.data.name}-{released.digest[:8]}"
    RunFolder(path).save_study(released)
    (path / "study.json").write_text("{")
    with pytest.raises(RunError, match=r"study.json is no record that can be used: .*restore the file"):
        default_folder(with_torch(study, "2.13.0+cpu"), tmp_path)


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


def double(task, report):
    report(task + 0.5)
    return 2 * task


def fall_over(task, report):
    raise ValueError(f"task {task}")


def crash(task, report):
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)  # pytest's fault handler would tell of it
    os.kill(os.getpid(), signal.SIGSEGV)


def killed(task, report):
    os.kill(os.getpid(), signal.SIGKILL)


def vanish(task, report):
    os._exit(3)


def test_results_and_reports_arrive_with_their_task():
    results, reports = {}, {}
    run_all(
        Job(double, 1), [1, 2, 3], workers=2, on_result=results.__setitem__, on_report=reports.__setitem__
    )
    assert results == {1: 2, 2: 4, 3: 6}
    assert set(reports) <= {1, 2, 3}
    assert all(report == task + 0.5 for task, report in reports.items())


def threads_here(task, report):
    return torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_worker_has_the_threads_it_was_given(threads):
    results = {}
    run_all(Job(threads_here, threads), [0], workers=1, on_result=results.__setitem__)
    assert results == {0: (threads, str(threads))}


def test_an_error_in_a_worker_is_raised_here_and_no_worker_stays():
    with pytest.raises(ValueError, match="task 1"):
        run_all(Job(fall_over, 1), [1], workers=1, on_result=print)
    assert not multiprocessing.active_children()


def test_a_worker_that_dies_is_one_clear_line():
    with pytest.raises(RunError, match="a worker process died"):
        run_all(Job(vanish, 1), [1, 2], workers=1, on_result=print)


def test_a_worker_that_crashes_is_told_from_one_that_lacks_memory():
    with pytest.raises(RunError, match=r"a worker process crashed \(SIGSEGV\) in compiled code"):
        run_all(Job(crash, 1), [1], workers=1, on_result=print)
    with pytest.raises(RunError, match="perhaps for want of memory"):
        run_all(Job(killed, 1), [1], workers=1, on_result=print)


def test_an_interrupt_does_not_wait_for_the_workers():
    def interrupt(task, report):
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_all(Job(double_then_dawdle, 1), [1, 2, 3], workers=2, on_result=interrupt)
    assert time.monotonic() - started < 300
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_that_another_thread_takes_waits_until_the_workers_have_started(number):
    """A mask holds it back from one thread alone, while Python runs its handler in the main thread."""

    def stop(*_):
        raise KeyboardInterrupt

    may_send, started = threading.Event(), []
    other = threading.Thread(target=lambda: (may_send.wait(), signal.raise_signal(number)))
    other.start()  # before the mask, which it would inherit
    before = signal.signal(number, stop)
    try:
        with pytest.raises(KeyboardInterrupt):
            _start_while_held(may_send, other, started)
        assert started == [True]
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, before)
        may_send.set()


def _start_while_held(may_send, other, started):
    with _interrupts_held():
        may_send.set()
        other.join()
        started.append(True)


def double_then_dawdle(task, report):
    if task > 1:
        time.sleep(600)
    return 2 * task


def test_a_study_of_an_earlier_version_learns_how_its_data_were_loaded(tmp_path):
    folder, study = RunFolder(tmp_path / "made"), make_study()
    versions = {"torch": "1", "convblocks": "1"}
    study = replace(study, host=replace(study.host, versions=versions))
    folder.path.mkdir()
    loading = Loading(source="made", image_size=16)
    resume(folder, study, [])
    assert folder.study().data.loading is None
    resume(folder, replace(study, data=replace(study.data, loading=loading)), [])
    assert folder.study().data.loading == loading
    resume(folder, study, [])  # asked again by a script with the arrays themselves
    assert folder.study().data.loading == loading


def test_runs_of_before_there_was_mean_iou_can_be_read(tmp_path):
    run = make_run(make_design("a"), 0, 0.9)
    folder = RunFolder(tmp_path)
    folder.save_study(make_study())
    folder.add_run(run)
    without_checksum(tmp_path / "study.json")
    path = without_checksum(tmp_path / "runs.jsonl")
    table = json.loads(path.read_text())
    for part in ("validation", "test"):
        table[f"{part}_accuracy"] = table.pop(f"{part}_score")
        del table[f"{part}_overlaps"]
    for epoch in table["epochs"]:
        for part in ("validation", "train"):
            epoch[f"{part}_accuracy"] = epoch.pop(f"{part}_score")
    path.write_text(json.dumps(table) + "\n")
    assert folder.runs() == [run]

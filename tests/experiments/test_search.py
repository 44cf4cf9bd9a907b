"""The search of docs/search.md: a proposer in the folder, the workers and the report of a compare."""

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

import convblocks
from convblocks import BlockSpec, Network, Stage, Stem
from convblocks.engine import RunEnded, Trial, describe, training_memory
from convblocks.engine.trial import Trainer
from convblocks.errors import RunError
from convblocks.runs.shared_examples import shared
from convblocks.runs.store import RunFolder
from convblocks.training import Placement

PAGE = Path(__file__).parents[2] / "docs" / "search.md"
(SCRIPT,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
DRAWN = 8


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The folder of the script as the page has it, but with one worker, which fixes the order of results."""
    place = tmp_path_factory.mktemp("search")
    script = SCRIPT.replace(', out="searched")', ', out="searched", machine=Machine(workers=1))')
    (place / "script.py").write_text(script.replace("import BlockSpec,", "import BlockSpec, Machine,"))
    search(place)
    return place


def search(place):
    subprocess.run([sys.executable, "script.py"], cwd=place, check=True, capture_output=True, timeout=900)


def test_the_proposer_is_short():
    assert len(SCRIPT.splitlines()) <= 40


def test_mixed_networks_are_trained_and_bad_runs_end_early(searched):
    folder = RunFolder(searched / "searched")
    designs, runs = folder.designs(), folder.runs()
    assert len(runs) == len(designs) >= DRAWN - 2  # a network may be drawn twice
    families = [{stage["block"]["family"] for stage in design.network["stages"]} for design in designs]
    assert max(map(len, families)) == 2
    assert {design.name for design in designs} == {f"net-{design.digest[:8]}" for design in designs}
    stopped = [run for run in runs if run.stopped]
    assert 0 < len(stopped) < len(runs) - 1
    assert all(len(run.epochs) == run.stopped < 4 for run in stopped)
    assert all(len(run.epochs) == 4 for run in runs if not run.stopped)


def test_the_report_compares_whole_runs_and_lists_the_others(searched, capsys):
    folder = RunFolder(searched / "searched")
    convblocks.write_report(folder)
    stopped = {run.design for run in folder.runs() if run.stopped}
    summary = folder.summary()
    assert {row.design for row in summary.rows} == {d.name for d in folder.designs()} - stopped
    early = next(paragraph.text for paragraph in summary.paragraphs if paragraph.lead == "Ended early")
    assert all(name in early for name in stopped)
    html = (folder.path / "report.html").read_text()
    assert all(f"{name}, seed 0" in html for name in stopped)
    assert "RandomSearch" in html
    assert "RandomSearch" in (folder.path / "report.md").read_text()


def test_a_network_of_a_search_is_loaded(searched):
    folder = RunFolder(searched / "searched")
    run = next(run for run in folder.runs() if not run.stopped)
    assert not convblocks.load(folder.path, run.design).training


def test_the_same_search_again_answers_from_the_folder_and_trains_what_is_missing(searched):
    folder = RunFolder(searched / "searched")
    before = folder.runs()
    lines = (folder.path / "runs.jsonl").read_text().splitlines(keepends=True)
    (folder.path / "runs.jsonl").write_text("".join(lines[:-1]))  # as if the search had been killed
    search(searched)
    again = {(run.design, run.seed): run for run in folder.runs()}
    for run in before:
        same = again[run.design, run.seed]
        assert (same.epochs, same.stopped, same.weights_sha256) == (
            run.epochs,
            run.stopped,
            run.weights_sha256,
        )


class OneNetwork:
    """Proposes one network with one seed."""

    def __init__(self, dataset):
        network = Network(
            in_channels=1,
            classes=10,
            stem=Stem(out_channels=4),
            stages=(Stage(block=BlockSpec("simple", depth=1), blocks=1, out_channels=4),),
        )
        self.trials, self.runs = [Trial(describe(network, dataset), 0)], []

    def propose(self):
        return self.trials.pop() if self.trials else None

    def should_stop(self, trial, epochs):
        return False

    def on_run(self, trial, run):
        self.runs.append(run)


class InThisProcess:
    """An executor of the user's own: one trial after the other."""

    def __init__(self, trainer):
        self.trainer, self.waiting, self.trained = trainer, [], []

    @property
    def free(self):
        return 1 - len(self.waiting)

    def submit(self, trial):
        self.waiting.append(trial)

    def events(self):
        while self.waiting:
            run = self.trainer(self.waiting[0], Listens())
            self.trained.append(self.waiting.pop())
            yield RunEnded(self.trained[-1], run)

    def cancel(self, trial):
        raise AssertionError(trial)


class Listens:
    def on_epoch(self, epoch):
        pass

    def on_notice(self, text):
        raise AssertionError(text)

    def should_stop(self, epochs):
        return False


@pytest.fixture(scope="module")
def digits():
    return convblocks.load_dataset("digits")


def test_an_executor_of_the_users_own_trains(digits, tmp_path, monkeypatch):
    """What it can take is its own affair: this machine's memory does not count."""
    monkeypatch.setattr(training_memory, "available_bytes", lambda: 10)
    recipe, out, used = convblocks.Recipe(epochs=1), tmp_path / "run", []

    @contextmanager
    def executor():
        with shared(digits, RunFolder(out).examples) as examples:
            used.append(InThisProcess(Trainer(examples, recipe, out, Placement())))
            yield used[0]

    proposer = OneNetwork(digits)
    folder = convblocks.search(digits, proposer, recipe=recipe, out=out, executor=executor())
    assert len(used[0].trained) == 1
    assert folder.runs() == proposer.runs
    assert folder.latencies()[0].host == proposer.runs[0].host


def test_a_network_that_takes_too_much_memory_is_refused_before_it_is_trained(digits, tmp_path, monkeypatch):
    monkeypatch.setattr(training_memory, "available_bytes", lambda: 10)
    with pytest.raises(RunError, match="give a smaller batch_size"):
        convblocks.search(digits, OneNetwork(digits), out=tmp_path / "run")
    assert RunFolder(tmp_path / "run").designs() == []

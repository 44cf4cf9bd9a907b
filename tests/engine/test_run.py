"""Proposer, executor and folder joined: what is trained, what is answered from the folder, what the proposer hears."""

from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from convblocks.engine.contracts import EpochEnded, RunEnded, StopCheck, Trial
from convblocks.engine.grid import Grid
from convblocks.engine.run import run_trials
from convblocks.engine.watcher import Watcher
from convblocks.errors import RunError
from convblocks.runs.store import RunFolder
from tests.made_records import make_design, make_run, make_study

DESIGNS = [make_design("a", 8), make_design("b", 56), replace(make_design("c", 8), problem="too wide")]


class FakeExecutor:
    """Trains by `make_run`, two trials at a time, and records the runs; those cancelled have one epoch."""

    def __init__(self, folder):
        self.folder, self.running, self.submitted, self.cancelled = folder, [], [], []

    @property
    def free(self):
        return 2 - len(self.running)

    def submit(self, trial):
        assert self.free
        self.running.append(trial)
        self.submitted.append((trial.design.name, trial.seed))

    def cancel(self, trial):
        self.cancelled.append(trial)

    def events(self):
        while self.running:
            trial = self.running[0]
            run = make_run(trial.design, trial.seed, 0.9)
            yield EpochEnded(trial, run.epochs[0])
            yield StopCheck(trial, run.epochs[:1])
            if trial in self.cancelled:
                timing = replace(run.timing, epoch_s=run.timing.epoch_s[:1])
                run = replace(run, epochs=run.epochs[:1], stopped=1, timing=timing)
            else:
                yield EpochEnded(trial, run.epochs[1])
            self.folder.add_run(run)
            self.running.remove(trial)
            yield RunEnded(trial, run)


class Counts(Watcher):
    def __init__(self):
        self.epochs, self.runs = 0, []

    def on_epoch(self, design, seed, epoch):
        self.epochs += 1

    def on_run(self, design, run):
        self.runs.append((design.name, run.seed))


class OneByOne:
    """Proposes a trial once the one before is done, and stops those of seed 1."""

    def __init__(self, designs):
        self.waiting, self.heard, self.open = list(designs), [], None

    def propose(self):
        if self.open or not self.waiting:
            return None
        self.open = Trial(self.waiting.pop(0), len(self.heard))
        return self.open

    def should_stop(self, trial, epochs):
        return trial.seed == 1

    def on_run(self, trial, run):
        assert trial == self.open
        self.open = None
        self.heard.append((run.design, run.seed, run.stopped))


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path)
    study = make_study()
    folder.save_study(replace(study, recipe={**study.recipe, "epochs": 2}, depths=(8, 56), seeds=(0, 1, 2)))
    return folder


def run(proposer, folder):
    executor, watcher = FakeExecutor(folder), Counts()

    @contextmanager
    def entered():
        yield executor

    run_trials(proposer, entered(), folder, watcher)
    return executor.submitted, watcher


def test_the_grid_is_each_design_with_each_seed_the_deep_ones_first_and_none_that_has_a_problem(folder):
    submitted, watcher = run(Grid(DESIGNS, (0, 1)), folder)
    assert submitted == [("b-d56", 0), ("a-d8", 0), ("b-d56", 1), ("a-d8", 1)]
    assert watcher.epochs == 8
    assert sorted(watcher.runs) == sorted(submitted)
    assert {(run.design, run.seed) for run in folder.runs()} == set(submitted)


def test_runs_that_the_folder_has_are_not_trained_again(folder):
    run(Grid(DESIGNS[:1], (0, 1)), folder)
    submitted, watcher = run(Grid(DESIGNS, (0, 1)), folder)
    assert submitted == [("b-d56", 0), ("b-d56", 1)]
    assert sorted(watcher.runs) == sorted(submitted)


def test_where_nothing_is_to_be_trained_the_executor_is_not_entered(folder):
    run(Grid(DESIGNS, (0,)), folder)
    run_trials(Grid(DESIGNS, (0,)), NotImplemented, folder, Watcher())


def test_a_proposer_hears_each_result_before_it_proposes_again_and_stops_what_it_wants(folder):
    proposer = OneByOne([make_design(name) for name in "abc"])
    submitted, _ = run(proposer, folder)
    assert submitted == [("a-d8", 0), ("b-d8", 1), ("c-d8", 2)]
    assert proposer.heard == [("a-d8", 0, 0), ("b-d8", 1, 1), ("c-d8", 2, 0)]
    assert [design.name for design in folder.designs()] == ["a-d8", "b-d8", "c-d8"]


def test_a_search_that_was_killed_takes_the_same_way(folder):
    designs = [make_design(name) for name in "abc"]
    run(OneByOne(designs[:2]), folder)
    again = OneByOne(designs)
    submitted, _ = run(again, folder)
    assert submitted == [("c-d8", 2)]
    assert again.heard == [("a-d8", 0, 0), ("b-d8", 1, 1), ("c-d8", 2, 0)]


def test_two_networks_of_one_name_are_refused(folder):
    design = replace(make_design("a"), network={"stages": (1, 2)})  # a tuple, which is a list once it is read
    run(Grid([design], (0,)), folder)
    run(Grid([design], (1,)), folder)
    for seed in (0, 2):  # recorded, and new
        with pytest.raises(RunError, match="another network called a-d8"):
            run(Grid([replace(design, network={"stages": (1, 3)})], (seed,)), folder)


class Repeats:
    """Proposes the same trial whenever it is asked, until it has its result; or for ever."""

    def __init__(self, trial, endless=False):
        self.trial, self.endless, self.results = trial, endless, []

    def propose(self):
        return None if self.results and not self.endless else self.trial

    def should_stop(self, trial, epochs):
        return False

    def on_run(self, trial, run):
        self.results.append(run)


def test_a_trial_that_is_under_way_is_not_started_again(folder):
    proposer = Repeats(Trial(DESIGNS[0], 0))
    submitted, _ = run(proposer, folder)
    assert submitted == [("a-d8", 0)]
    assert len(proposer.results) == 1


def test_a_proposer_that_never_ends_is_refused(folder):
    with pytest.raises(RunError, match="a-d8 with seed 0"):
        run(Repeats(Trial(DESIGNS[0], 0), endless=True), folder)


@pytest.mark.parametrize("seed", [5, -1, True])
def test_a_seed_that_the_study_lacks_is_refused_before_it_is_trained(folder, seed):
    with pytest.raises(RunError, match=f"seed {seed}"):
        run(Repeats(Trial(DESIGNS[0], seed)), folder)
    assert folder.runs() == []
    assert folder.designs() == []

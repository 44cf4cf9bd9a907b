"""Run folders that strangers, accidents or other studies changed: no figure of theirs is reported as this study's."""

import json
import os
import random
import re
import shutil
import sys
import time
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
import torch
from msgspec.structs import replace

from convblocks import Recipe, compare, load, write_report
from convblocks.cli import main
from convblocks.engine.trial import Trainer
from convblocks.engine.watcher import Watcher
from convblocks.errors import RunError
from convblocks.experiments.resume import resume
from convblocks.measure import describe_host
from convblocks.networks import Network
from convblocks.records import Epoch
from convblocks.runs.record_files import RecordFiles
from convblocks.runs.shared_examples import shared
from convblocks.runs.store import RunFolder
from convblocks.training.checkpoint import CheckpointError, Progress, load_checkpoint, save_checkpoint
from tests.compared import NO_TIMING, result
from tests.made_records import make_design, make_latency, make_run, make_study
from tests.test_reading import at_once

QUESTION = {"depths": 2, "block_depths": 2, "families": ("simple", "residual"), "stages": 1, "budget": 60_000}
QUESTION |= {"recipe": Recipe(epochs=1), "workers": 1}


class Notes(Watcher):
    """What a compare says and trains."""

    def __init__(self):
        self.notices, self.trained = [], []

    def on_notice(self, text):
        self.notices.append(text)

    def on_run(self, design, run):
        self.trained.append((run.design, run.seed))


@pytest.fixture(scope="module")
def original(few_digits, tmp_path_factory):
    """Two designs with a seed each."""
    return compare(str(few_digits), seeds=1, out=tmp_path_factory.mktemp("run") / "original", **QUESTION)


@pytest.fixture
def copied(original, tmp_path):
    return RunFolder(shutil.copytree(original.path, tmp_path / "run"))


@pytest.fixture
def again(few_digits, copied):
    """The same compare on the copy; returns what it says and trains."""

    def call(**options):
        notes = Notes()
        compare(str(few_digits), out=copied.path, watcher=notes, **{"seeds": 1, **QUESTION, **options})
        return notes

    return call


@pytest.fixture
def made(tmp_path):
    """A folder written by hand: a study, two designs, a run and a latency."""
    folder, designs = RunFolder(tmp_path / "made"), [make_design("a"), make_design("b")]
    folder.save_study(make_study())
    folder.save_designs(designs)
    folder.add_run(make_run(designs[0], 0, 0.9))
    folder.save_latencies([make_latency(designs[0], 2.0)])
    return folder


def forge(path, change, line=0):
    """Changes a record as a stranger who computes the checksum anew would."""
    text = path.read_text()
    lines = text.splitlines() if path.suffix == ".jsonl" else [text]
    table = json.loads(lines[line])
    change(table)
    table.pop("sha256")
    lines[line] = json.dumps({**table, "sha256": checksum(table)})
    path.write_text("".join(f"{each}\n" for each in lines))


def checksum(table):
    return sha256(msgspec.json.encode(table, order="sorted")).hexdigest()


def refused_report(folder, capsys):
    """The one line that `convblocks report` says of a folder that it cannot use."""
    with pytest.raises(SystemExit) as left:
        main(["report", str(folder.path)])
    output, error = capsys.readouterr()
    assert (left.value.code, output, error.count("\n")) == (2, "", 1), error
    assert error.rstrip("\n").isprintable()
    assert "fault of convblocks" not in error
    return error


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class TestNamesAndLinks:
    """A folder of a stranger reaches nothing outside itself."""

    @pytest.mark.parametrize(
        "name",
        ["{outside}", "../outside", "..", ".", "", "a/b", "-rf", "a\nb", "a\x1b[31m", "a\x00", "x" * 300],
    )
    def test_a_design_name_is_no_path(self, made, tmp_path, name):
        forge(made.path / "designs.jsonl", lambda t: t.update(name=name.format(outside=tmp_path)))
        with pytest.raises(RunError, match=r"designs.jsonl, line 1 .*design name .*delete the file"):
            made.designs()
        with pytest.raises(RunError, match="design name"):
            made.weights(name, 0)

    def test_a_compare_removes_no_folder_that_a_record_names(self, again, copied, tmp_path):
        victim = tmp_path / "victim"
        victim.mkdir()
        (victim / "kept").write_text("kept")
        forge(copied.path / "designs.jsonl", lambda t: t.update(name=str(victim)))
        with pytest.raises(RunError, match="design name"):
            again()
        assert (victim / "kept").read_text() == "kept"

    def test_names_that_families_give_are_names(self, made):
        for name in (
            "residual-eca-2-d8",
            "wide-b313-d8",
            "größe-1-d8",
            "_own-scale.5-d8",
            "bottleneck-4-g8-d56",
        ):
            assert made.checkpoint(name, 0).parent.name == name

    @pytest.mark.parametrize(
        ("name", "use"),
        [
            (".lock", lambda f: f.locked().__enter__()),
            ("runs.jsonl", lambda f: f.add_run(make_run(make_design("a"), 1, 0.9))),
            ("study.json", lambda f: f.save_study(make_study())),
            ("designs.jsonl", lambda f: f.save_designs([make_design("a")])),
            ("summary.json", write_report),
            ("report.html", lambda f: f.save_page("report.html", "text")),
            ("weights", lambda f: f.weights("a-d8", 0)),
            ("weights/a-d8", lambda f: f.weights("a-d8", 0)),
            ("weights/a-d8/0.safetensors", lambda f: f.read_weights(f.runs()[0])),
            ("checkpoints", lambda f: f.checkpoint("a-d8", 0)),
            ("checkpoints", lambda f: f.drop_checkpoints()),
            ("checkpoints/a-d8", lambda f: f.drop_checkpoints()),
            (".examples", lambda f: shared(None, f.examples).__enter__()),
        ],
    )
    def test_a_link_is_not_followed(self, made, tmp_path, name, use):
        place, outside = made.path / name, tmp_path / "outside"
        if place.suffix or name == ".lock":
            outside.write_bytes(place.read_bytes() if place.exists() else b"cut short")
        else:
            (outside / "a-d8").mkdir(parents=True)
            (outside / "a-d8" / "0.safetensors").write_text("kept")
        before = contents(tmp_path) if outside.is_dir() else outside.read_bytes()
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(outside)
        with pytest.raises(RunError, match=f"{place} is a link, which a run folder cannot hold; remove it"):
            use(made)
        assert (contents(tmp_path) if outside.is_dir() else outside.read_bytes()) == before

    @pytest.mark.parametrize("name", [".lock", "study.json", "runs.jsonl"])
    def test_a_pipe_in_place_of_a_file_is_refused_at_once(self, made, name):
        (made.path / name).unlink(missing_ok=True)
        os.mkfifo(made.path / name)
        with pytest.raises(RunError, match="is no regular file; remove it"), made.locked():
            made.runs()

    @pytest.mark.parametrize("name", ["study.json", "runs.jsonl", "weights/a-d8/0.safetensors"])
    def test_a_link_that_is_made_after_the_check_is_not_followed(self, made, tmp_path, monkeypatch, name):
        run, path = made.runs()[0], made.path / name
        content = path.read_bytes() if path.exists() else b"weights"
        (tmp_path / "outside").write_bytes(content)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(tmp_path / "outside")
        monkeypatch.setattr(RecordFiles, "inside", lambda self, *parts: self.path.joinpath(*parts))
        run = replace(run, weights_sha256=sha256(content).hexdigest())
        reads_weights = path.suffix == ".safetensors"
        for use in [made.read_weights] if reads_weights else [made.add_run, lambda run: made.runs()]:
            with pytest.raises(RunError, match=f"{path} is no regular file; remove it"):
                use(run)
        assert (tmp_path / "outside").read_bytes() == content

    @pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
    @pytest.mark.parametrize("kind", ["weights", "checkpoints"])
    def test_what_is_no_file_in_place_of_one_ends_a_compare_before_it_trains(self, again, copied, kind, make):
        """A pipe in place of a checkpoint was waited for, and one in place of weights was seen after training."""
        run = copied.runs()[0]
        copied.drop_runs([run])
        path = copied.path / kind / run.design / f"{run.seed}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        make(path)
        with at_once(120), pytest.raises(RunError, match=f"{path} is no regular file; remove it"):
            again(checkpoint_every_s=0)
        assert copied.runs()[0] != run

    def test_no_code_that_only_the_folder_names_is_imported(self, again, copied, tmp_path, monkeypatch):
        (tmp_path / "evil_of_folder.py").write_text("raise SystemExit('imported')")
        monkeypatch.syspath_prepend(tmp_path)

        def change(table):
            table["family"] = "evil_of_folder:Evil"
            table["network"]["stages"][0]["block"] = {"family": "evil_of_folder:Evil"}
            table["deployed"] = table["network"]

        forge(copied.path / "designs.jsonl", change, line=1)
        forge(copied.path / "study.json", lambda t: t.update(notes=["evil_of_folder:Evil"]))
        (copied.path / "latency.jsonl").unlink()
        name = copied.designs()[1].name
        with pytest.raises(
            RunError, match=f"{name} is not what the study's question gives; restore the file"
        ):
            again()
        write_report(copied)
        with pytest.raises(RunError, match="imports evil_of_folder:Evil"):
            load(copied.path, name)
        assert "evil_of_folder" not in sys.modules

    @pytest.mark.parametrize("field", ["out_channels", "blocks"])
    def test_designs_are_what_the_question_gives(self, again, copied, field):
        """Another network under the name of a design of the study; without any designs the same are derived."""
        forge(copied.path / "designs.jsonl", lambda t: t["network"]["stages"][0].update({field: 2}), line=0)
        with pytest.raises(RunError, match="is not what the study's question gives"):
            again()
        before = copied.designs()[1:]
        (copied.path / "designs.jsonl").unlink()
        assert again().trained == []
        assert copied.designs()[1:] == before


CHANGES = {
    "an unknown field": lambda t: t.update(validation_errorr=t.pop("validation_errors")),
    "a missing field": lambda t: t.pop("test_score"),
    "a score that its errors do not give": lambda t: t.update(validation_score=1.0, validation_errors=[1]),
    "errors that its score does not give": lambda t: t["test_errors"].pop(),
    "a position twice": lambda t: t.update(test_errors=[1, *t["test_errors"][1:-1], t["test_errors"][-2]]),
    "a position out of range": lambda t: t["test_errors"].__setitem__(-1, 400),
    "a negative position": lambda t: t["test_errors"].__setitem__(0, -1),
    "a position beyond 64 bits": lambda t: t["test_errors"].__setitem__(-1, 10**30),
    "overlaps of a study to classify": lambda t: t.update(test_overlaps=[[0, 0, 1, 1]]),
    "no epochs": lambda t: (t.update(epochs=[]), t["timing"].update(epoch_s=[])),
    "fewer epochs than planned": lambda t: (t["epochs"].pop(), t["timing"]["epoch_s"].pop()),
    "more epochs than planned": lambda t: t["epochs"].append(t["epochs"][0]),
    "an epoch without its time": lambda t: t["timing"]["epoch_s"].pop(),
    "a score above 1": lambda t: t["epochs"][0].update(validation_score=1.5),
    "a time before the start": lambda t: t["timing"].update(epoch_s=[-1.0, 1.0]),
    "another seed": lambda t: t.update(seed=3),
    "a negative seed": lambda t: t.update(seed=-1),
    "another design": lambda t: t.update(design="c-d8"),
    "a path as design": lambda t: t.update(design="../../a-d8"),
    "no SHA-256": lambda t: t.update(weights_sha256="../0"),
    "another study": lambda t: t.update(study="0" * 64),
    "no study": lambda t: t.update(study=None),
}


NO_RECORDS = {
    "not UTF-8": b"\xff\xfe",
    "not UTF-8 inside a text": b'{"design": "caf\xe9"}',
    "a surrogate": b'{"study": "\\ud800"}',
    "NUL bytes": b"\0" * 4096,
    "a NUL byte in a text": b'{"design": "a\0"}',
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "cut short": b"{",
    "deep objects": b'{"a":' * 5000,
    "deep objects that end": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "deep lists": b"[" * 100_000,
    "a huge integer": b'{"seed": ' + b"9" * 5000 + b"}",
    "a huge exponent": b'{"seed": 1e999999}',
    "NaN": b'{"budget": NaN}',
    "two records": b"{}{}",
}


class TestRecords:
    """A record is the study's, whole and possible, or it is refused with its line and the fix."""

    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
    def test_an_impossible_run_is_refused(self, made, capsys, change):
        made.add_run(make_run(make_design("b"), 0, 0.8))
        forge(made.path / "runs.jsonl", change, line=1)
        said = refused_report(made, capsys)
        assert re.search("runs.jsonl, line 2 .*; delete that line, and the same call repeats that run", said)

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("study.json", lambda t: t["data"].update(classes=[])),
            ("study.json", lambda t: t["data"].update(validation=0)),
            ("study.json", lambda t: t["data"].update(shape=[])),
            ("study.json", lambda t: t["data"].update(task="segment")),
            ("study.json", lambda t: t.update(seeds=[])),
            ("study.json", lambda t: t.update(seeds=[0, 0])),
            ("study.json", lambda t: t.update(depths=[])),
            ("study.json", lambda t: t.update(threads=0)),
            ("study.json", lambda t: t.update(match="flops")),
            ("study.json", lambda t: t.update(recipe={"epochs": 0})),
            ("study.json", lambda t: t.update(recipe={"epoch": 2})),
            ("study.json", lambda t: t.update(workerz=2)),
            ("designs.jsonl", lambda t: t.update(widths=[0, 16])),
            ("designs.jsonl", lambda t: t.update(macs=-1)),
            ("designs.jsonl", lambda t: t.update(stack_depth=9)),
            ("designs.jsonl", lambda t: t.update(colour="red")),
            ("latency.jsonl", lambda t: t.update(median_ms=0.0)),
            ("latency.jsonl", lambda t: t.update(lower_ms=3.0)),
            ("latency.jsonl", lambda t: t.update(threads=7)),
            ("latency.jsonl", lambda t: t.update(repeats=0)),
        ],
    )
    def test_other_impossible_records_are_refused(self, made, capsys, name, change):
        forge(made.path / name, change)
        said = refused_report(made, capsys)
        assert re.search(f"{name}.* is no record that can be used: .*; (delete|restore) the file", said)

    @pytest.mark.parametrize("content", NO_RECORDS.values(), ids=NO_RECORDS)
    @pytest.mark.parametrize("name", ["study.json", "designs.jsonl", "runs.jsonl", "latency.jsonl"])
    def test_what_is_no_record_is_refused(self, made, capsys, name, content):
        (made.path / name).write_bytes(content + b"\n")
        assert re.search(f"{name}.* is no record that can be used: ", refused_report(made, capsys))

    @pytest.mark.parametrize("name", ["study.json", "designs.jsonl", "runs.jsonl", "latency.jsonl"])
    @pytest.mark.parametrize("field", ["study", "{nested}"])
    def test_a_field_that_comes_twice_is_refused(self, made, capsys, name, field):
        """Readers differ about which of the two values counts; the checksum is that of the last."""
        nested = {"study.json": "budget", "designs.jsonl": "macs", "runs.jsonl": "train_loss"}
        field = field.format(nested=nested.get(name, "median_ms"))
        text = (made.path / name).read_text()
        (made.path / name).write_text(text.replace(f'"{field}"', f'"{field}":7,"{field}"', 1))
        assert f"the field '{field}' comes twice" in refused_report(made, capsys)

    def test_records_without_their_study_are_nobody_s(self, original, again, copied):
        (copied.path / "study.json").unlink()
        for use in (again, lambda: write_report(copied), lambda: load(copied.path, "simple-d2"), copied.runs):
            with pytest.raises(RunError, match=r"(has designs.jsonl but|holds no study)"):
                use()
        assert copied.read_weights(original.runs()[0]) is not None

    def test_records_of_another_study_are_refused(self, made, tmp_path):
        other = RunFolder(tmp_path / "other")
        other.save_study(replace(make_study(), budget=2_000_000))
        other.save_designs([make_design("a")])
        for name in ("designs.jsonl", "runs.jsonl", "latency.jsonl"):
            shutil.copy(other.path / "designs.jsonl", other.path / "kept")
            shutil.copy(made.path / name, other.path / name)
            with pytest.raises(RunError, match=rf"{name}, line 1 .*it is of another study than study.json"):
                write_report(other)
            (other.path / name).unlink()
            shutil.copy(other.path / "kept", other.path / "designs.jsonl")

    def test_overlaps_give_the_score(self, tmp_path):
        """To segment: 2 classes, 400 examples of which one is labelled in each part."""
        study, pixels = make_study(), dict.fromkeys(("train", "validation", "test"), (3, 5))
        folder = RunFolder(tmp_path)
        folder.save_study(replace(study, data=replace(study.data, task="segment", pixels=pixels)))
        run, table = make_run(make_design("a"), 0, 0.9), ((7, 0, 2, 4), (7, 1, 4, 6))
        score = (2 / 4 + 4 / 6) / 2
        run = replace(run, validation_errors=(), test_errors=(), validation_score=score, test_score=score)
        run = replace(run, validation_overlaps=table, test_overlaps=table)
        folder.add_run(run)
        assert folder.runs() == [run]
        for wrong in (
            table[:1],
            ((7, 0, 3, 4), table[1]),
            ((7, 0, 5, 4), table[1]),
            ((400, 0, 2, 4), table[1]),
            ((7, 2, 2, 4), table[1]),
            (*table, table[1]),
            ((7, 0, 2, 2), table[1]),
            (),
        ):
            (tmp_path / "runs.jsonl").unlink()
            folder.add_run(replace(run, test_overlaps=wrong))
            with pytest.raises(RunError, match="test_"):
                folder.runs()


class TestWeights:
    """A run without its weights is not done."""

    def test_lost_and_damaged_weights_are_trained_again(self, original, again, copied):
        first, second = original.runs()
        copied.weights(first.design, first.seed).unlink()
        path = copied.weights(second.design, second.seed)
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
        notes = again()
        assert sorted(notes.trained) == [(run.design, run.seed) for run in original.runs()]
        assert all("missing or not the file that the record names" in text for text in notes.notices)
        assert len(notes.notices) == 2
        assert result(copied.path) == result(original.path)
        assert len((copied.path / "runs.jsonl").read_text().splitlines()) == 2

    def test_weights_of_another_network_are_refused(self, original, copied):
        first, second = original.runs()
        shutil.copy(copied.weights(second.design, 0), copied.weights(first.design, 0))
        sha = second.weights_sha256
        lines = (copied.path / "runs.jsonl").read_text().splitlines()
        at = [json.loads(line)["design"] for line in lines].index(first.design)
        forge(copied.path / "runs.jsonl", lambda t: t.update(weights_sha256=sha), at)
        with pytest.raises(RunError, match="is not of the network"):
            load(copied.path, first.design)


class DiesForAnother(Trainer):
    """Trains seed 0, and is killed with seed 1 as soon as that is on disk."""

    def __call__(self, trial, listener):
        if trial.seed == 0:
            return super().__call__(trial, listener)
        path = self.folder / "runs.jsonl"
        # the file is there before its first line is written
        while not (path.exists() and b"\n" in path.read_bytes()):
            time.sleep(0.01)
        os._exit(9)


def test_a_worker_s_death_loses_no_run_that_had_finished(few_digits, tmp_path, monkeypatch):
    question = {**QUESTION, "families": "simple", "seeds": 2, "workers": 2, "out": tmp_path / "run"}
    folder = RunFolder(tmp_path / "run")
    monkeypatch.setattr("convblocks.engine.local_processes.Trainer", DiesForAnother)
    with pytest.raises(RunError, match="a worker process died"):
        compare(str(few_digits), **question)
    monkeypatch.undo()
    (run,) = folder.runs()
    assert folder.read_weights(run) is not None
    assert folder.summary().rows[0].seeds == 1
    notes = Notes()
    compare(str(few_digits), watcher=notes, **question)
    assert notes.trained == [(run.design, 1)]
    assert folder.runs()[0] == run


def kept_checkpoint(folder):
    """Writes a checkpoint of a run; returns a function that goes on from it and gives all that it restores."""
    design, trial = folder.designs()[0], "trial"
    epoch = Epoch(train_loss=1.0, train_score=0.5, validation_score=0.25)

    def fresh():
        torch.manual_seed(0)
        module = Network.from_dict(design.network).build()
        return module, torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)

    path, (module, optimizer) = folder.checkpoint(design.name, 0), fresh()
    module(torch.randn(8, 1, 8, 8)).sum().backward()
    optimizer.step()
    save_checkpoint(path, module, optimizer, trial, Progress((epoch,), (1.5,)))

    def restored():
        module, optimizer = fresh()
        try:
            progress = load_checkpoint(path, module, optimizer, trial, epochs=2)
        except CheckpointError:
            return None
        momenta = [state["momentum_buffer"] for state in optimizer.state_dict()["state"].values()]
        return progress, [t.numpy().tobytes() for t in (*module.state_dict().values(), *momenta)]

    return restored


@pytest.mark.parametrize("flips", [60, pytest.param(600, marks=pytest.mark.slow)])
def test_bit_flips_change_no_figure(original, copied, flips):
    """One bit at a time, in records, weights and a checkpoint: refused, seen as damaged, or without any effect."""
    restored = kept_checkpoint(copied)
    files = [path for path in contents(copied.path) if path.suffix in (".json", ".jsonl", ".safetensors")]
    assert {path.parent.parent.name for path in files} > {"weights", "checkpoints"}
    draws, detected = random.Random(0), 0

    def figures():
        sound = [copied.read_weights(run) is not None for run in copied.runs()]
        records = copied.study(), copied.designs(), copied.runs(), copied.latencies(), copied.summary()
        return records, sound, restored()

    expected = figures()
    assert expected[2] is not None
    for flip in range(flips):
        path = files[flip % len(files)]
        whole = bytearray(path.read_bytes())
        at = draws.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << draws.randrange(8)]) + whole[at + 1 :])
        try:
            records, sound, state = figures()
        except RunError:
            detected += 1
        else:
            assert records == expected[0]
            assert (sound == expected[1]) == ("weights" not in path.parts)
            assert state in (expected[2], None)
            assert state is not None or "checkpoints" in path.parts
            detected += (sound, state) != expected[1:]
        path.write_bytes(whole)
    assert detected > 0.9 * flips  # the rest is the layout of study.json and summary.json


class TestOut:
    """Where a run folder cannot be is said in a line, and nothing there changes."""

    @pytest.mark.parametrize(
        ("out", "problem"),
        [
            ("", "--out '': expected a folder's name"),
            ("link", "link cannot be a run folder: it is a link; give the folder that it leads to"),
            ("file", "cannot be a run folder: .*file is not a folder"),
            ("/dev/null", "cannot be a run folder: /dev/null is not a folder"),
            (
                "foreign",
                "cannot be a run folder: it holds other things, such as 'thesis.tex'; choose another --out",
            ),
            (".", "cannot be a run folder: it holds other things, such as"),
            ("images", "images cannot be a run folder: it lies in the data, images; choose another --out"),
            ("images/run", "run cannot be a run folder: it lies in the data"),
            ("through/run", "run cannot be a run folder: it lies in the data"),
        ],
    )
    def test_refused(self, few_images, monkeypatch, capsys, out, problem):
        monkeypatch.chdir(few_images.parent)
        before = contents(few_images.parent)
        with pytest.raises(SystemExit) as left:
            main(["compare", "images", "--depth", "2", "--seeds", "1", "--out", out])
        error = capsys.readouterr().err
        assert left.value.code == 2
        assert len(error.splitlines()) == 1
        assert re.search(problem, error), error
        assert contents(few_images.parent) == before

    @pytest.mark.parametrize("out", ["..", "/", "~", "../.."])
    def test_a_place_in_use_is_refused_before_anything_is_read(self, tmp_path, monkeypatch, capsys, out):
        """The data do not even exist; to read them, and to plan designs for them, takes far longer."""
        (tmp_path / "here" / "inside").mkdir(parents=True)
        (tmp_path / "kept").write_text("kept")
        monkeypatch.chdir(tmp_path / "here" / ("inside" if out == "../.." else ""))
        out = str(tmp_path) if out == "~" else out  # a shell writes it out
        with pytest.raises(SystemExit) as left:
            main(["compare", "missing.npz", "--out", out])
        error = capsys.readouterr().err
        assert (left.value.code, error.count("\n")) == (2, 1)
        reason = "it holds other things, such as" if os.access(out, os.W_OK) else f"{out} cannot be written"
        assert error.startswith(f"convblocks: {out} cannot be a run folder: {reason}")

    def test_what_a_kill_left_before_the_study_is_no_foreign_folder(self, tmp_path):
        (tmp_path / ".lock").touch()
        (tmp_path / ".study.json.0a1b2c3d").touch()
        (tmp_path / ".examples").mkdir()
        RunFolder(tmp_path).check()


@pytest.fixture
def few_images(tmp_path):
    """A folder of images with its class folders, and beside it what could be taken for a run folder."""
    from PIL import Image

    for number in range(20):
        path = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(path)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.tex").write_text("text")
    (tmp_path / "file").write_text("text")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    (tmp_path / "through").symlink_to("images")
    return tmp_path / "images"


class TestVersionBefore:
    """A folder of the version before checksums; its processor and torch are those of this machine."""

    @pytest.fixture
    def before(self, tmp_path):
        folder = RunFolder(shutil.copytree(Path(__file__).parent / "version_before", tmp_path / "old"))
        table = json.loads((folder.path / "study.json").read_text())
        host = describe_host("cpu")
        table["host"]["cpu"], table["host"]["versions"] = host.cpu, dict(host.versions)
        (folder.path / "study.json").write_text(json.dumps(table))
        return folder

    def test_it_is_read_and_reported(self, before):
        assert [design.name for design in before.designs()] == ["simple-d2", "residual-1-d2", "residual-2-d2"]
        assert len(before.runs()) == 6
        old = before.summary()
        write_report(before)
        # the front of costs has the clock's ties since then, so that `pareto` may differ
        assert [replace(row, pareto=False) for row in before.summary().rows] == [
            replace(row, pareto=False) for row in old.rows
        ]
        assert not load(before.path, "simple-d2").training

    def test_it_is_gone_on_with(self, before):
        """One run is not finished and has a checkpoint of that version, which is bound to nothing."""
        runs, lines = before.runs(), (before.path / "runs.jsonl").read_text().splitlines(keepends=True)
        (before.path / "runs.jsonl").write_text("".join(lines[:-1]))
        missing = json.loads(lines[-1])
        checkpoint = before.checkpoint(missing["design"], missing["seed"])
        checkpoint.parent.mkdir(parents=True)
        shutil.copy(before.weights(missing["design"], missing["seed"]), checkpoint)
        notes = Notes()
        question = {**QUESTION, "block_depths": (1, 2), "seeds": 2, "watcher": notes, "out": before.path}
        compare(None, **question)
        assert notes.trained == [(missing["design"], missing["seed"])]
        assert len(notes.notices) == 1
        assert "has no checksum, as those of earlier versions: training starts afresh" in notes.notices[0]
        for then, now in zip(runs, before.runs(), strict=True):
            if (then.design, then.seed) != notes.trained[0]:
                assert now == then
        for name in ("study.json", "designs.jsonl", "runs.jsonl", "latency.jsonl", "summary.json"):
            text = (before.path / name).read_text()
            for line in text.splitlines() if name.endswith("l") else [text]:
                assert set(json.loads(line)) > {"study", "sha256"}

    def test_a_damaged_line_of_it_is_still_refused(self, before):
        path = before.path / "runs.jsonl"
        path.write_text(path.read_text().replace('"validation_errors":[0,', '"validation_errors":[', 1))
        with pytest.raises(RunError, match="where its validation part gives"):
            before.runs()

    def test_a_line_without_a_checksum_is_none_of_a_newer_folder(self, before, original, copied):
        table = json.loads((copied.path / "runs.jsonl").read_text().splitlines()[0])
        del table["study"], table["sha256"]
        with (copied.path / "runs.jsonl").open("a") as file:
            file.write(json.dumps(table) + "\n")
        with pytest.raises(RunError, match="line 3 is no record that can be used: it has no checksum"):
            copied.runs()


def test_the_figures_of_a_run_do_not_depend_on_the_layout_of_its_text(made):
    runs = made.runs()
    table = json.loads((made.path / "runs.jsonl").read_text())
    (made.path / "runs.jsonl").write_text(json.dumps(dict(reversed(table.items()))) + "\n")
    assert made.runs() == runs
    assert replace(runs[0], timing=NO_TIMING).seed == 0


def carry_digest(folder, digest):
    """Gives all records another digest, as a version that hashes the question in another way writes them."""
    for path in folder.path.glob("*.json*"):
        for line in range(len(path.read_text().splitlines()) if path.suffix == ".jsonl" else 1):
            forge(path, lambda t: t.update(study=digest), line)


def test_a_folder_keeps_the_digest_that_its_records_carry(original, again, copied):
    """Whatever a version hashes: it is read and reported, and the same compare with more seeds goes on."""
    digest, runs = "f" * 64, copied.runs()
    carry_digest(copied, digest)
    assert copied.runs() == runs
    assert copied.digest() == digest
    write_report(copied)
    notes = again(seeds=2)
    assert sorted(notes.trained) == [(run.design, 1) for run in runs]
    assert [run for run in copied.runs() if run.seed == 0] == runs
    for path in copied.path.glob("*.json*"):
        for line in path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]:
            assert json.loads(line)["study"] == digest
    with pytest.raises(RunError, match="holds another study: budget 60,000, not 50,000"):
        again(budget=50_000)


def test_a_study_json_of_another_digest_than_the_records_is_refused(made):
    forge(made.path / "study.json", lambda t: t.update(study="f" * 64))
    with pytest.raises(RunError, match=r"designs.jsonl, line 1 .*it is of another study than study.json"):
        write_report(made)


def test_a_folder_that_is_given_another_study_has_its_digest(made):
    other = replace(make_study(), budget=2_000_000)
    made.save_study(other)
    assert made.digest() == other.digest != make_study().digest


def test_what_is_hashed_stays():
    """Folders are named by it. Figures of versions 2 and 1; words that are shown have no part in it."""
    study = make_study()
    study = replace(study, families=("simple", "a.b:C"), sources={"a.b:C": "0123456789abcdef" * 4})
    assert study.digest == "66828873ad3c618739b636bc993644e8bf006b63cca935ed5ba42ee296ed7f7d"
    assert study.first_digest == "45ae843adba7ed13fa61abbdb169307a6b903ed032b33f5e04f8d7a72089b243"
    pixels = dict.fromkeys(("train", "validation", "test"), (3, 5))
    study = replace(study, data=replace(study.data, task="segment", pixels=pixels), head="dilated")
    assert study.digest == "b421d8b1fbf637ebe48e24f08ea1bef7de20ca220640c15eac9092427ff0963b"
    assert study.first_digest == "a5dc8b9597ba8f81b2a2904eac08b0f1ae26fe294832cd5337348eef478d09a1"


def test_resume_keeps_the_study_s_digest_with_more_seeds(made):
    digest = made.digest()
    study = replace(make_study(), seeds=(0, 1, 2, 3))
    resume(made, study, made.designs())
    assert made.digest() == digest
    assert made.study().seeds == (0, 1, 2, 3)
    assert len(made.runs()) == 1

"""The main job on real images, end to end: repeatable to the bit, whatever happens to it."""

import json
import shutil

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from convblocks import Recipe, compare, load, load_dataset
from convblocks.data import load_again
from convblocks.engine.watcher import Watcher
from convblocks.errors import OptionError, RunError
from convblocks.runs.store import RunFolder
from tests.compared import finish, result, without_checksum


def test_it_ends_with_a_table_a_recommendation_and_a_report(undisturbed):
    out, output = undisturbed
    designs, runs = result(out)
    assert [d.name for d in designs] == [
        "simple-d4",
        "residual-1-d4",
        "residual-2-d4",
        "simple-d8",
        "residual-1-d8",
        "residual-2-d8",
        "residual-4-d8",
        "bottleneck-4-d8",
    ]
    assert len(runs) == 16
    assert all(len(run.epochs) == 3 for run in runs)
    assert all(design.name in output for design in designs)
    assert RunFolder(out).summary().headline in " ".join(output.split())
    assert "report.html" in output
    assert max(run.validation_score for run in runs) > 0.9
    assert not (out / "checkpoints").exists()
    assert (out / "report.html").stat().st_size > 10_000
    assert f"**{RunFolder(out).summary().headline}**" in (out / "report.md").read_text()


def test_lines_of_output_fit_80_columns(undisturbed):
    _, output = undisturbed
    assert max(map(len, output.splitlines()[:-1])) <= 80


def test_one_worker_or_two_give_the_same_bits(undisturbed, few_digits, tmp_path):
    finish(few_digits, tmp_path / "one", "--workers", "1")
    assert result(tmp_path / "one") == result(undisturbed[0])


def test_asking_again_trains_nothing(undisturbed, few_digits):
    out, _ = undisturbed
    before = (out / "runs.jsonl").read_bytes()
    finish(few_digits, out)
    assert (out / "runs.jsonl").read_bytes() == before


def test_more_seeds_are_added_to_those_there_are(undisturbed, few_digits, tmp_path):
    class Counts(Watcher):
        trained = 0

        def on_run(self, design, run):
            self.trained += 1

    options = {
        "depths": (2,),
        "families": ("simple",),
        "stages": 1,
        "match": "none",
        "recipe": Recipe(epochs=1),
        "workers": 1,
        "out": tmp_path / "run",
    }
    for seeds, expected in ((1, 1), (3, 2)):
        watcher = Counts()
        folder = compare(str(few_digits), seeds=seeds, watcher=watcher, **options)
        assert watcher.trained == expected
        assert (f"seeds={seeds}" in folder.study().command) == (seeds != 3)  # the default is not told
    compare(str(few_digits), seeds=2, **options)  # fewer seeds than there are
    assert "seeds=" not in folder.study().command
    assert [run.seed for run in folder.runs()] == [0, 1, 2]


def test_another_question_needs_another_folder(undisturbed, few_digits):
    with pytest.raises(
        RunError, match=r"undisturbed holds another study: epochs 3, not 4; choose another out$"
    ):
        compare(
            str(few_digits),
            depths=(4, 8),
            block_depths=(1, 2, 4),
            stages=2,
            budget=400_000,
            seeds=2,
            recipe=Recipe(epochs=4),
            out=undisturbed[0],
        )


def test_a_loaded_module_repeats_its_recorded_errors(undisturbed, few_digits):
    out, _ = undisturbed
    dataset = load_dataset(str(few_digits))
    for run in RunFolder(out).runs()[:3]:
        module = load(out, run.design, seed=run.seed)
        assert not module.training
        wrong = module(torch.from_numpy(dataset.test.x)).argmax(1) != torch.from_numpy(dataset.test.y)
        assert tuple(wrong.nonzero().flatten().tolist()) == run.test_errors


def test_load_takes_the_seed_that_validated_best(undisturbed):
    out, _ = undisturbed
    runs = [run for run in RunFolder(out).runs() if run.design == "residual-2-d8"]
    best = max(runs, key=lambda run: (run.validation_score, -run.seed))
    ours, expected = load(out, "residual-2-d8"), load(out, "residual-2-d8", seed=best.seed)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), expected.parameters(), strict=True))


BLOCK = """
import os, pathlib, torch
class Block(torch.nn.Conv2d):
    def __init__(self, in_channels, out_channels, *, stride=1, depth=1):
        super().__init__(in_channels, out_channels, 3, stride, 1)
    def forward(self, x):
        with pathlib.Path(__file__).with_suffix(".threads").open("a") as file:
            print(os.getpid(), torch.get_num_threads(), file=file)
        return super().forward(x)
"""


def test_a_class_of_one_s_own(few_digits, tmp_path, monkeypatch):
    """Trains with the study's threads; other source, another study; loaded only if trusted."""
    name = f"block_{tmp_path.parent.name.replace('-', '_')}"  # not imported before
    source = tmp_path / f"{name}.py"
    source.write_text(BLOCK)
    monkeypatch.syspath_prepend(tmp_path)
    options = {"depths": 1, "families": f"{name}:Block", "block_depths": 1, "match": "none", "seeds": 1}
    options |= {"recipe": Recipe(epochs=1), "out": tmp_path / "run", "threads": 2, "workers": 1}
    study = compare(str(few_digits), **options).study()
    lines = source.with_suffix(".threads").read_text().splitlines()
    threads = {line.split()[0]: int(line.split()[1]) for line in lines}
    assert len(threads) == 2  # this process, which traces and times, and the worker
    assert set(threads.values()) == {study.threads} == {2}
    with pytest.raises(
        RunError, match=rf"block-1-d1 imports {name}:Block and so runs .*pass trust_code=True"
    ):
        load(tmp_path / "run", "block-1-d1")
    assert type(load(tmp_path / "run", "block-1-d1", trust_code=True).stages[0][0]).__module__ == name
    source.write_text(BLOCK + "# another\n")
    with pytest.raises(
        RunError, match=rf": source file of {name}:Block SHA-256 \w{{12}}…, not SHA-256 \w{{12}}…;"
    ):
        compare(str(few_digits), **options)


def test_load_imports_nothing_on_its_way_to_a_refusal(undisturbed, tmp_path, monkeypatch):
    """A record that hides the class in its network alone, below the block."""
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    designs = RunFolder(undisturbed[0]).designs()
    network = json.loads(json.dumps(designs[0].network))
    network["stages"][-1]["block"]["inner"] = [{"family": "evil:Block"}]
    RunFolder(tmp_path).save_study(RunFolder(undisturbed[0]).study())
    RunFolder(tmp_path).save_designs([replace(designs[0], network=network)])
    with pytest.raises(RunError, match="imports evil:Block"):
        load(tmp_path, designs[0].name)


def test_load_says_what_there_is(undisturbed, tmp_path):
    out, _ = undisturbed
    with pytest.raises(RunError, match="has no design 'simple'; it has simple-d4, "):
        load(out, "simple")
    with pytest.raises(RunError, match="no finished run of simple-d4 with seed 7; finished seeds: 0, 1"):
        load(out, "simple-d4", seed=7)
    with pytest.raises(RunError, match="expected the folder of a compare or a search"):
        load(tmp_path, "simple-d4")


def test_weights_that_were_changed_are_refused(undisturbed, tmp_path):
    out = shutil.copytree(undisturbed[0], tmp_path / "copy")
    path = RunFolder(out).weights("simple-d4", 0)
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    with pytest.raises(RunError, match="not the file that the record names"):
        load(out, "simple-d4", seed=0)


def test_a_training_that_diverges_is_a_result_and_one_seed_a_warning(few_digits, tmp_path):
    options = {
        "depths": (4,),
        "families": ("simple", "residual"),
        "match": "none",
        "out": tmp_path,
        "seeds": 1,
        "workers": 1,
    }
    folder = compare(str(few_digits), recipe=Recipe(epochs=3, learning_rate=1e12), **options)
    runs = folder.runs()
    assert all(run.failure.startswith("the loss became nan in epoch") for run in runs)
    assert all(run.epochs[-1].train_loss is None for run in runs)
    summary = folder.summary()
    assert "one seed is no evidence" in summary.headline
    assert "Diverged" in summary.paragraphs[-1]
    assert "n/a: one seed" in (tmp_path / "report.html").read_text()


def test_a_design_s_record_has_a_picture_of_its_block(undisturbed, tmp_path):
    for design in RunFolder(undisturbed[0]).designs():
        texts = [box.text for box in design.block.boxes if "conv, " in box.text]
        assert len(texts) == design.block_depth
        width = design.widths[0]
        assert texts[0].split(", ")[1].startswith(f"{width} → ")
        assert design.block.boxes[-1].text == f"output, {width} channels, 8×8"
    for name in ("study.json", "designs.jsonl"):
        shutil.copy(undisturbed[0] / name, tmp_path)
        without_checksum(tmp_path / name)
    lines = (tmp_path / "designs.jsonl").read_text().splitlines()
    older = [{name: value for name, value in json.loads(line).items() if name != "block"} for line in lines]
    (tmp_path / "designs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in older))
    assert [design.block for design in RunFolder(tmp_path).designs()] == [None] * len(lines)


def test_the_records_are_plain_json(undisturbed):
    out, _ = undisturbed
    for line in (out / "runs.jsonl").read_text().splitlines():
        assert set(json.loads(line)) >= {"design", "seed", "epochs", "test_score", "timing"}


def test_without_options_records_are_as_they_were_before_there_were_any(undisturbed):
    assert RunFolder(undisturbed[0]).study().families == ("simple", "residual", "bottleneck")
    assert {d.family for d in RunFolder(undisturbed[0]).designs()} == {"simple", "residual", "bottleneck"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds=0"),
        ({"workers": 0}, "workers=0"),
        ({"threads": -1}, "threads=-1"),
        ({"match": "flops"}, "match='flops': expected macs, params, activations or none"),
        ({"depths": (0,)}, "depths=0"),
        ({"depths": (100_000,)}, "depths=100000: expected a whole number of at most 2,000"),
        ({"device": "tpu"}, "device='tpu'"),
        ({"families": ()}, r"families=\(\): expected at least one"),
        ({"block_depths": (0,)}, "block_depths=0"),
        ({"groups": 0}, "groups=0"),
        ({"groups": (8, 1, 8)}, r"groups=\(8, 1, 8\): 8 is given twice; once is enough"),
        ({"families": "residul"}, "families='residul': .*did you mean 'residual'"),
        ({"recipe": 5}, r"recipe=5: expected a convblocks.Recipe, e.g. Recipe\(epochs=5\)"),
        ({"image_size": 2}, "image_size=2: expected a whole number of pixels from 4"),
        ({"budget": 2 * 10**15}, "budget=.*: expected a whole number of at most 1,000,000,000,000,000"),
        (
            {"budget": 10, "depths": 8},
            r"budget=10: too small for any design; the smallest that works is \d,\d\d\d, for ",
        ),
        (
            {"families": ("bottleneck",), "block_depths": (3,)},
            "no implementation is possible: bottleneck: none of",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(options, message, tmp_path):
    with pytest.raises(OptionError, match=message):
        compare(out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("image_size", 8), ("split_seed", 1), ("skip_broken", True), ("layout", "none")]
)
def test_options_that_come_too_late_for_a_dataset(option, value, tmp_path):
    with pytest.raises(
        OptionError, match=f"{option}={value!r}: comes too late for a Dataset; give it to load_dataset"
    ):
        compare(
            load_dataset("digits"),
            depths=2,
            families="simple",
            seeds=1,
            out=tmp_path / "run",
            **{option: value},
        )
    assert not (tmp_path / "run").exists()


class TestSignalsAndVolumes:
    """The same job for 1 and 3 spatial axes; signals as (N, time, features)."""

    @pytest.mark.parametrize(
        ("shape", "layout", "read"), [((24, 5), "channels-last", (5, 24)), ((6, 7, 8), "none", (1, 6, 7, 8))]
    )
    def test_compare(self, shape, layout, read, tmp_path):
        rng = np.random.default_rng(0)
        y = np.arange(60) % 2
        x = rng.normal(size=(60, *shape)).astype(np.float32) + 2 * y.reshape(-1, *[1] * len(shape))
        np.savez(tmp_path / "data.npz", x=x, y=y)
        folder = compare(
            str(tmp_path / "data.npz"),
            depths=(2,),
            block_depths=(1, 2),
            stages=1,
            seeds=2,
            recipe=Recipe(epochs=4, batch_size=8),
            match="none",
            layout=layout,
            workers=1,
            out=tmp_path / "run",
        )
        assert len(folder.runs()) == 6
        study = folder.study()
        assert study.data.shape == read
        assert load_again(study.data).train.x.shape[1:] == read
        assert all(len(d.receptive_field) == len(read) - 1 for d in folder.designs())
        assert np.mean([run.validation_score for run in folder.runs()]) > 0.7

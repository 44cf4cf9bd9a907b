"""What is said before the first training."""

import io

import pytest
import torch
from msgspec.structs import replace
from rich.console import Console

from convblocks.cli.progress import ProgressWatcher
from tests.made_records import make_design, make_study


@pytest.fixture
def said():
    def introduce(study, *designs):
        watcher = ProgressWatcher()
        watcher.console = Console(file=io.StringIO(), width=200)
        watcher.on_start(replace(study, recipe={"epochs": 0}), designs, [])
        return watcher.console.file.getvalue()

    return introduce


def test_one_of_a_kind_is_no_plural(said):
    study = make_study()
    single = replace(study, seeds=(0,), stages=1, data=replace(study.data, classes=("a",)))
    text = said(single, make_design("a"))
    assert "made: 1 class, 1×8×8; 800 training" in text
    assert "\n1 design at 1.00\xa0M MACs (± 3 %), 1 seed, 1 stage\n" in text
    several = said(study, make_design("a"), make_design("b"), replace(make_design("c"), problem="too narrow"))
    assert "made: 2 classes" in several
    assert "\n2 designs at 1.00\xa0M MACs (± 3 %), 3 seeds each, 2 stages\n" in several


def test_that_the_build_of_torch_may_be_another_is_said(said, monkeypatch):
    """A folder of an earlier version has the release alone."""
    monkeypatch.setattr(torch, "__version__", "2.13.0+cu130")
    study = make_study()
    for before, words in (
        ("2.13.0", "begun with torch 2.13.0, its build not recorded, and goes on with 2.13.0+cu130"),
        ("2.13.0+cu130", None),
    ):
        host = replace(study.host, versions={**study.host.versions, "torch": before})
        text = said(replace(study, host=host), make_design("a"))
        assert words in text if words else "begun with torch" not in text


def test_broken_files_that_were_skipped_are_counted(said):
    study = make_study()
    assert "left out" not in said(study, make_design("a"))
    for skipped, words in ((1, "left out: 1 broken file\n"), (1200, "left out: 1,200 broken files\n")):
        assert words in said(replace(study, data=replace(study.data, skipped=skipped)), make_design("a"))


def test_what_label_maps_leave_out_is_said(said):
    study = make_study()
    assert study.data.ignored == 0
    assert "ignored" not in said(study, make_design("a"))
    pixels = {"train": (40_000, 0), "validation": (20_000, 80), "test": (25_600, 0)}
    data = replace(study.data, task="segment", classes=("sky", "car"), pixels=pixels)
    text = said(replace(study, data=data), make_design("a"))  # 1,600 examples of 8×8
    assert (
        "  ignored: 16.3\xa0% of the pixels, those of the value 255, which marks what has no class\n" in text
    )
    assert "  not in train: 1 class: car\n" in text
    assert "  not in test: 1 class: car\n" in text
    assert "not in validation" not in text
    few = replace(data, pixels={**pixels, "train": (51_200, 5519)})  # one pixel of 102,400
    assert "ignored: less than 0.1\xa0% of the pixels" in said(replace(study, data=few), make_design("a"))

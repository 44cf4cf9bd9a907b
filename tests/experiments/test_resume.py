"""How a message tells two studies apart, and what may be new in the same one."""

import pytest
from msgspec.structs import replace

from convblocks.errors import RunError
from convblocks.experiments.resume import going_on
from convblocks.runs.store import RunFolder
from tests.made_records import make_study

BEFORE = make_study()


def recipe(**options):
    return {"recipe": {**BEFORE.recipe, **options}}


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_study(BEFORE)
    return folder


@pytest.mark.parametrize(
    ("now", "difference"),
    [
        ({"depths": (4,)}, "stack depths 8 and 56, not 4"),
        ({"budget": 2_000_000}, "budget 1,000,000, not 2,000,000"),
        ({"match": "none", "budget": None}, "match macs, not none; budget 1,000,000, not none"),
        ({"block_depths": (1, 2, 3)}, "block depths , not 1, 2 and 3"),
        ({"threads": 2}, "threads 1, not 2"),
        ({"sources": {"a:B": "0" * 64}}, "source file of a:B none, not SHA-256 000000000000…"),
        (recipe(epochs=3), "epochs 2, not 3"),
        (recipe(optimizer="adamw"), "optimizer sgd, not adamw"),
        ({"options": {"label_noise": 0.5}}, "label noise none, not 0.5"),
        ({"host": replace(BEFORE.host, device="cuda")}, "device cpu, not cuda"),
        ({"data": replace(BEFORE.data, name="others", sha256="f")}, "data set made, not others"),
        (
            {"data": replace(BEFORE.data, sha256="f")},
            "another data set called made, of other examples or split",
        ),
    ],
)
def test_a_difference_names_both_values(now, difference, folder):
    with pytest.raises(RunError) as refused:
        going_on(folder, replace(BEFORE, **now))
    assert f"holds another study: {difference}" in str(refused.value)


def test_seeds_and_workers_may_be_new(folder):
    planned = replace(BEFORE, seeds=(0, 1, 2, 3), workers=5, command="again", started="later")
    study = going_on(folder, planned)
    assert (study.seeds, study.workers, study.command) == ((0, 1, 2, 3), 5, "again")
    assert study.started == BEFORE.started
    fewer = going_on(folder, replace(BEFORE, seeds=(0,), command="fewer"))
    assert (fewer.seeds, fewer.command) == (BEFORE.seeds, BEFORE.command)


def test_a_new_folder_gives_the_study_its_name(tmp_path):
    study = going_on(RunFolder(tmp_path / "first"), BEFORE)
    assert (study.name, study.folder) == ("first", str(tmp_path / "first"))

"""Which folder a study goes on in, how a message tells two studies apart, and what may be new in the same one."""

import re

import pytest
from msgspec.structs import replace

from convblocks.errors import RunError
from convblocks.experiments.resume import default_folder, going_on, resume
from convblocks.records import Loading
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


def test_a_default_folder_that_is_named_for_the_processor_too_is_gone_on_with(study, tmp_path):
    study = with_torch(study, "2.13.0+cpu")
    before = RunFolder(tmp_path / f"{study.data.name}-{study.first_digest[:8]}")
    before.save_study(study)
    assert default_folder(study, tmp_path).path == before.path
    elsewhere = replace(study, host=replace(study.host, cpu="another processor"))
    assert default_folder(elsewhere, tmp_path).path.name == f"{study.data.name}-{study.digest[:8]}"


@pytest.mark.parametrize("recorded", BUILDS[:3])
def test_a_default_folder_whose_study_has_no_build_of_torch_is_gone_on_with(study, tmp_path, recorded):
    """Of an earlier version; under the same name a study with a build is another one's."""
    released = with_torch(study, "2.13.0")
    before = RunFolder(tmp_path / f"{study.data.name}-{released.first_digest[:8]}")
    before.save_study(with_torch(study, recorded))
    for build in BUILDS[1:3]:
        folder = default_folder(with_torch(study, build), tmp_path)
        assert (folder.path == before.path) == (recorded == "2.13.0")
        resume(folder, with_torch(study, build), [])
    assert default_folder(with_torch(study, "2.13.1+cpu"), tmp_path).path != before.path


def test_a_default_folder_that_cannot_be_read_is_told(study, tmp_path):
    released = with_torch(study, "2.13.0")
    path = tmp_path / f"{study.data.name}-{released.first_digest[:8]}"
    RunFolder(path).save_study(released)
    (path / "study.json").write_text("{")
    with pytest.raises(RunError, match=r"study.json is no record that can be used: .*restore the file"):
        default_folder(with_torch(study, "2.13.0+cpu"), tmp_path)


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

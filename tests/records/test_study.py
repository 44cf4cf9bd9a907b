"""The question of a study, and the digest that names it."""

import pytest
from msgspec.structs import replace

from convblocks.errors import RunError
from convblocks.experiments.resume import going_on, resume
from convblocks.runs.store import RunFolder
from tests.made_records import make_study

BEFORE = make_study()  # its recipe names no optimizer
SGD = replace(BEFORE, recipe={**BEFORE.recipe, "optimizer": "sgd"})
ADAMW = replace(BEFORE, recipe={**BEFORE.recipe, "optimizer": "adamw"})


def test_studies_recorded_before_recipes_had_an_optimizer_keep_their_digest():
    """Version 1 of the digest is what the version before computed for this study."""
    assert BEFORE.first_digest == "beeab5e15c4895e70fc43cfc9a5667020aea69739175ba28809faa2991291c65"
    assert SGD.digest == BEFORE.digest
    assert SGD.question == BEFORE.question
    assert ADAMW.digest != SGD.digest


def elsewhere(study):
    return replace(study, host=replace(study.host, cpu="another processor"))


def test_the_processor_is_no_part_of_the_question():
    assert elsewhere(BEFORE).digest == BEFORE.digest
    assert elsewhere(BEFORE).question == BEFORE.question
    assert elsewhere(BEFORE).first_digest != BEFORE.first_digest


def test_a_folder_of_before_goes_on_on_another_processor_with_the_digest_that_it_has(tmp_path):
    folder = RunFolder(tmp_path)
    folder.files.replace("study.json", BEFORE, BEFORE.first_digest)
    study = resume(folder, elsewhere(BEFORE), [])
    assert study.host == BEFORE.host
    assert folder.digest() == BEFORE.first_digest


def test_a_folder_of_before_goes_on__with_sgd_alone(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_study(BEFORE)
    assert going_on(folder, SGD).digest == BEFORE.digest
    with pytest.raises(RunError, match="holds another study: optimizer sgd, not adamw"):
        going_on(folder, ADAMW)

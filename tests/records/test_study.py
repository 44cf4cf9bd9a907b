"""The question of a study, and the digest that names it."""

import pytest
from msgspec.structs import replace

from convblocks.errors import RunError
from convblocks.experiments.resume import going_on
from convblocks.runs.store import RunFolder
from tests.made_records import make_study

BEFORE = make_study()  # its recipe names no optimizer
SGD = replace(BEFORE, recipe={**BEFORE.recipe, "optimizer": "sgd"})
ADAMW = replace(BEFORE, recipe={**BEFORE.recipe, "optimizer": "adamw"})


def test_studies_recorded_before_recipes_had_an_optimizer_keep_their_digest():
    """The digest is what the version before computed for this study."""
    assert BEFORE.digest == "beeab5e15c4895e70fc43cfc9a5667020aea69739175ba28809faa2991291c65"
    assert SGD.digest == BEFORE.digest
    assert SGD.question == BEFORE.question
    assert ADAMW.digest != SGD.digest


def test_a_folder_of_before_goes_on_with_sgd_alone(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_study(BEFORE)
    assert going_on(folder, SGD).digest == BEFORE.digest
    with pytest.raises(RunError, match="holds another study: optimizer sgd, not adamw"):
        going_on(folder, ADAMW)

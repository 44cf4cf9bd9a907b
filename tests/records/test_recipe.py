"""The names that a recipe knows without torch are those of the tables that need it."""

import pytest

from convblocks import Recipe
from convblocks.errors import OptionError
from convblocks.layers import init
from convblocks.records import recipe
from convblocks.training import optimizers


def test_names_are_the_keys_of_the_tables():
    assert list(optimizers.OPTIMIZERS) == list(recipe.OPTIMIZERS)
    assert list(init.INITIALISATIONS) == list(recipe.INITIALISATIONS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 1.5),
        ("learning_rate", True),
        ("learning_rate", float("inf")),
        ("momentum", 1),
        ("weight_decay", -0.1),
        ("warmup", 0),
        ("optimizer", "adam"),
        ("augment", "shift flip"),
        ("init", None),
    ],
)
def test_values_that_cannot_work(name, value):
    with pytest.raises(OptionError, match=f"{name}={value!r}: expected"):
        Recipe(**{name: value})

"""Fields as options of a command: how the text of each kind is read."""

import inspect

import pytest

from convblocks.cli.question_options import argument, value, values
from convblocks.errors import OptionError
from convblocks.records import Loading, Machine, Question
from convblocks.records.option import fields

OPTIONS = fields(Question, Loading, Machine)


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("depths", ["8", "4,2"], [8, 4, 2]),
        ("depths", [8, 4], [8, 4]),
        ("depths", 8, [8]),
        ("families", "simple,wide(kernels=B(3,1,3))", ["simple", "wide(kernels=B(3,1,3))"]),
        ("families", ["simple", "residual,bottleneck"], ["simple", "residual", "bottleneck"]),
        ("stages", "2", 2),
        ("learning_rate", "5e-2", 0.05),
        ("learning_rate", 0.05, 0.05),
        ("budget", "1.5M", 1_500_000),
        ("image_size", "32x48", (32, 48)),
        ("image_size", [32, 48], [32, 48]),
        ("head", "unet", "unet"),
        ("skip_broken", True, True),
    ],
)
def test_texts_and_values(name, given, read):
    assert value(OPTIONS[name], given) == read


@pytest.mark.parametrize(
    ("name", "text"),
    [("stages", "1.5"), ("learning_rate", "nan"), ("budget", "1,5M"), ("image_size", "8x"), ("depths", "8,")],
)
def test_texts_that_stand_for_nothing(name, text):
    with pytest.raises(OptionError, match=f"{name}='{text}': expected"):
        value(OPTIONS[name], text)


def test_options_that_are_not_given_have_no_value():
    assert values(OPTIONS, {"stages": None, "epochs": "3"}) == {"epochs": 3}


def test_every_field_is_an_argument_without_a_default_of_its_own():
    for field in OPTIONS.values():
        taken = argument(field)
        assert (taken.name, taken.kind, taken.default) == (field.name, inspect.Parameter.KEYWORD_ONLY, None)

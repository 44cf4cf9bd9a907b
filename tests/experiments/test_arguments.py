"""Keywords beside a question, and a call that gives itself when it is run."""

from pathlib import Path

import pytest

import convblocks
from convblocks import BlockSpec, Recipe, load_dataset
from convblocks.errors import OptionError
from convblocks.experiments.arguments import arguments, call_as_text
from convblocks.records import Machine, Question


def test_keywords_replace_fields_of_the_records():
    question = Question(depths=8, recipe=Recipe(epochs=5, augment="flip"))
    keywords = {"epochs": 2, "families": "residual", "threads": 2, "image_size": 8, "stages": None}
    found = arguments(question, Machine(workers=1), keywords)
    recipe = Recipe(epochs=2, augment="flip")
    assert found.question == Question(depths=8, families="residual", recipe=recipe)
    assert found.machine == Machine(workers=1, threads=2)
    assert found.loading.image_size == 8


def test_a_recipe_and_one_of_its_fields():
    found = arguments(None, None, {"recipe": Recipe(epochs=5, augment="flip"), "epochs": 2})
    assert found.question.recipe == Recipe(epochs=2, augment="flip")


@pytest.mark.parametrize(
    ("records", "keywords", "error", "message"),
    [
        ((None, None), {"depth": 8}, TypeError, "unexpected keyword argument 'depth'; did you mean 'depths'"),
        ((None, None), {"source": "digits"}, TypeError, "unexpected keyword argument 'source'"),
        ((None, None), {"seeds": 0}, OptionError, "seeds=0: expected a whole number of at least 1"),
        ((None, None), {"learning_rate": -1}, OptionError, "learning_rate=-1: expected a positive number"),
        (("digits", None), {}, TypeError, "question: expected a convblocks.Question, not 'digits'"),
        ((None, 2), {}, TypeError, "machine: expected a convblocks.Machine, not 2"),
    ],
)
def test_what_is_refused(records, keywords, error, message):
    with pytest.raises(error, match=message):
        arguments(*records, keywords)


CALLS = [
    (None, {}, "convblocks.compare()"),
    ("digits", {"depths": [8]}, 'convblocks.compare("digits", depths=(8,))'),
    ("digits", {"depths": 8, "match": "none"}, 'convblocks.compare("digits", depths=8, match="none")'),
    (
        'a "b".npz',
        {"out": Path("runs/é"), "seeds": 5, "families": ("simple", "residual")},
        'convblocks.compare("a \\"b\\".npz", families=("simple", "residual"), seeds=5, out="runs/é")',
    ),
    (
        "digits",
        {"families": BlockSpec("wide", kernels="B(3,1,3)")},
        'convblocks.compare("digits", families="wide(kernels=B(3,1,3))")',
    ),
    (
        "digits",
        {"skip_broken": True, "recipe": Recipe(epochs=5, augment="flip"), "depths": [8, 56]},
        'convblocks.compare("digits", recipe=convblocks.Recipe(epochs=5, augment="flip"), skip_broken=True)',
    ),
    ("digits", {"families": ["simple", "residual", "bottleneck"]}, 'convblocks.compare("digits")'),
    ("digits", {"workers": 2, "epochs": 3}, 'convblocks.compare("digits", epochs=3, workers=2)'),
]


@pytest.mark.parametrize(("data", "options", "text"), CALLS)
def test_the_call_as_text_is_that_call(data, options, text, monkeypatch):
    assert call_as_text(data, **options) == text
    repeated = {}
    monkeypatch.setattr(
        convblocks, "compare", lambda data=None, **options: repeated.update(options, data=data)
    )
    eval(text)  # noqa: S307 - our own text
    assert repeated.pop("data") == data
    out = repeated.pop("out", None)
    assert out == (str(options["out"]) if "out" in options else None)
    given = {name: value for name, value in options.items() if name != "out"}
    assert arguments(None, None, repeated) == arguments(None, None, given)


def test_a_question_is_written_as_the_keywords_that_make_it():
    question = Question(depths=8, families=BlockSpec("residual", attention="eca"), recipe=Recipe(epochs=5))
    text = call_as_text("digits", question, Machine(workers=2), out="run", depths=4)
    assert text == (
        'convblocks.compare("digits", depths=4, families=("residual(attention=eca)",), '
        'recipe=convblocks.Recipe(epochs=5), out="run", workers=2)'
    )


def test_a_dataset_is_written_by_its_name():
    assert call_as_text(load_dataset("digits")) == 'convblocks.compare("digits")'

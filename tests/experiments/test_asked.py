"""One value or several, and a call that gives itself when it is run."""

from pathlib import Path

import pytest

import convblocks
from convblocks import Recipe, compare, load_dataset
from convblocks.errors import OptionError
from convblocks.experiments import asked

DEFAULTS = compare.__kwdefaults__


def test_one_or_several():
    assert asked.numbers("depth", 8) == asked.numbers("depth", [8]) == (8,)
    assert asked.numbers("depth", range(1, 4)) == (1, 2, 3)
    assert asked.names("families", "residual") == asked.names("families", ["residual"]) == ("residual",)


@pytest.mark.parametrize(
    ("take", "given", "message"),
    [
        (asked.numbers, 1.5, "x=1.5: expected a whole number of at least 1"),
        (asked.numbers, "8", "x='8': expected a whole number"),
        (asked.numbers, True, "x=True: expected a whole number"),
        (asked.numbers, [], r"x=\[\]: expected at least one"),
        (asked.numbers, [8, 4, 8], r"x=\[8, 4, 8\]: 8 is given twice"),
        (asked.names, ("a", "a"), r"a is given twice"),
        (asked.names, 3, "x=3: expected a name or several"),
        (asked.names, ["residual", 3], "expected a name or several"),
        (asked.names, None, "x=None: expected a name or several"),
    ],
)
def test_what_is_neither(take, given, message):
    with pytest.raises(OptionError, match=message):
        take("x", given)


@pytest.mark.parametrize(
    ("data", "options", "text"),
    [
        (None, {}, "convblocks.compare()"),
        ("digits", {"depths": [8]}, 'convblocks.compare("digits", depths=(8,))'),
        (
            'a "b".npz',
            {"families": ("simple", "residual"), "out": Path("runs/é"), "seeds": 5},
            'convblocks.compare("a \\"b\\".npz", families=("simple", "residual"), seeds=5, out="runs/é")',
        ),
        (
            "digits",
            {"recipe": Recipe(epochs=5, augment="flip"), "skip_broken": True, "depths": [8, 56]},
            'convblocks.compare("digits", recipe=convblocks.Recipe(epochs=5, augment="flip"), skip_broken=True)',
        ),
    ],
)
def test_the_call_as_text_is_that_call(data, options, text, monkeypatch):
    found = asked.call_as_text(compare, {"data": data, **DEFAULTS, **options, "watcher": object()})
    assert found == text
    again = {}
    monkeypatch.setattr(convblocks, "compare", lambda data=None, **options: again.update(options, data=data))
    eval(found)  # noqa: S307 - our own text
    repeated = {**DEFAULTS, **again}
    for name, value in {**DEFAULTS, "data": data, **options}.items():
        as_told = {list: tuple, type(Path()): str}.get(type(value), lambda same: same)
        assert repeated[name] == as_told(value)


def test_a_dataset_is_told_by_its_name():
    arguments = {"data": load_dataset("digits"), **DEFAULTS}
    assert asked.call_as_text(compare, arguments) == 'convblocks.compare("digits")'

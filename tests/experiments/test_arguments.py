"""One value or several, and a call that gives itself when it is run."""

from pathlib import Path

import pytest
from torch import nn

import convblocks
from convblocks import BlockSpec, Recipe, compare, load_dataset
from convblocks.errors import OptionError
from convblocks.experiments import arguments

DEFAULTS = compare.__kwdefaults__


def test_one_or_several():
    assert arguments.numbers("depth", 8) == arguments.numbers("depth", [8]) == (8,)
    assert arguments.numbers("depth", range(1, 4)) == (1, 2, 3)
    assert arguments.families("residual") == arguments.families(["residual"]) == ("residual",)


def test_a_family_is_written_in_one_way_whether_as_text_or_as_value():
    texts = "residual( dilation = 1,attention=eca )", "residual()", "wide(kernels=B(3,1,3))"
    specs = (
        BlockSpec("residual", attention="eca", dilation=1),
        BlockSpec("residual"),
        BlockSpec("wide", kernels="B(3,1,3)"),
    )
    expected = "residual(attention=eca,dilation=1)", "residual", "wide(kernels=B(3,1,3))"
    assert arguments.families(texts) == arguments.families(specs) == expected
    assert arguments.families(specs[0]) == expected[:1]


class Tabled(nn.Module):
    """A family with an option that is no number, word or list."""

    def __init__(self, in_channels, out_channels, *, stride=1, depth=1, table=None):
        super().__init__()


FAMILIES = [
    (["a", "b", "a"], "families=.*: a is given twice"),
    (["residual(depth=2,bias=true)", "residual(bias=true, depth=2)"], "is given twice; once is enough"),
    (3, "families=3: expected a name or several"),
    (["residual", 3], "expected a name or several"),
    (None, "families=None: expected a name or several"),
    ([], r"families=\[\]: expected at least one"),
    ("residual(depth=2", "families='residual.depth=2': expected a family's name, or NAME"),
    ("residual(depth=2,depth=3)", "families='residual.*': depth: is given twice"),
    (BlockSpec(f"{__name__}:Tabled", table=(1, None)), "has an option that cannot be written as text"),
    (BlockSpec(f"{__name__}:Tabled", table={"a": 1}), "has an option that cannot be written as text"),
]


@pytest.mark.parametrize(("given", "message"), FAMILIES)
def test_what_is_no_family(given, message):
    with pytest.raises(OptionError, match=message):
        arguments.families(given)


@pytest.mark.parametrize(
    ("take", "given", "message"),
    [
        (arguments.numbers, 1.5, "x=1.5: expected a whole number of at least 1"),
        (arguments.numbers, "8", "x='8': expected a whole number"),
        (arguments.numbers, True, "x=True: expected a whole number"),
        (arguments.numbers, [], r"x=\[\]: expected at least one"),
        (arguments.numbers, [8, 4, 8], r"x=\[8, 4, 8\]: 8 is given twice"),
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
            {"families": BlockSpec("wide", kernels="B(3,1,3)")},
            'convblocks.compare("digits", families="wide(kernels=B(3,1,3))")',
        ),
        (
            "digits",
            {"recipe": Recipe(epochs=5, augment="flip"), "skip_broken": True, "depths": [8, 56]},
            'convblocks.compare("digits", recipe=convblocks.Recipe(epochs=5, augment="flip"), skip_broken=True)',
        ),
    ],
)
def test_the_call_as_text_is_that_call(data, options, text, monkeypatch):
    found = arguments.call_as_text(compare, {"data": data, **DEFAULTS, **options, "watcher": object()})
    assert found == text
    again = {}
    monkeypatch.setattr(convblocks, "compare", lambda data=None, **options: again.update(options, data=data))
    eval(found)  # noqa: S307 - our own text
    repeated = {**DEFAULTS, **again}
    for name, value in {**DEFAULTS, "data": data, **options}.items():
        as_told = {list: tuple, type(Path()): str, BlockSpec: str}.get(type(value), lambda same: same)
        assert repeated[name] == as_told(value)


def test_a_dataset_is_told_by_its_name():
    arguments = {"data": load_dataset("digits"), **DEFAULTS}
    assert arguments.call_as_text(compare, arguments) == 'convblocks.compare("digits")'

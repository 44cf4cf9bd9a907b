"""Calls as people write them."""

import pytest

from convblocks.deploy.code.node import Node, source, written

CONV = Node("nn.Conv2d", {"in_channels": 3, "out_channels": 8, "padding": 1}, {"padding": 0})


def test_an_argument_that_has_a_default_is_named_and_left_out_where_it_equals_it():
    assert written(CONV, {}) == "nn.Conv2d(3, 8, padding=1)"
    assert written(Node("nn.Conv2d", {**CONV.args, "padding": 0}, CONV.defaults), {}) == "nn.Conv2d(3, 8)"


def test_a_symbol_stands_for_the_literal_at_its_path():
    assert written(CONV, {("out_channels",): "width"}) == "nn.Conv2d(3, width, padding=1)"
    row = Node("nn.Sequential", {"0": CONV}, wrap="*")
    assert written(row, {("0", "in_channels"): "c"}) == "nn.Sequential(nn.Conv2d(c, 8, padding=1))"


@pytest.mark.parametrize(
    ("wrap", "names", "text"),
    [
        ("*", "012", "nn.X(*(nn.ReLU() for _ in range(3)))"),
        ("*", "01", "nn.X(nn.ReLU(), nn.ReLU())"),
        ("[", "012", "nn.X(nn.ReLU() for _ in range(3))"),
        ("[", "01", "nn.X([nn.ReLU(), nn.ReLU()])"),
        ("{", "ab", "nn.X({'a': nn.ReLU(), 'b': nn.ReLU()})"),
        ("od", "ab", "nn.X(OrderedDict([('a', nn.ReLU()), ('b', nn.ReLU())]))"),
    ],
)
def test_containers(wrap, names, text):
    assert written(Node("nn.X", {name: Node("nn.ReLU", {}) for name in names}, wrap=wrap), {}) == text


def test_the_skeleton_leaves_out_literals():
    assert CONV.skeleton() == Node("nn.Conv2d", {**CONV.args, "out_channels": 99}).skeleton()
    assert CONV.skeleton() != Node("nn.Conv1d", CONV.args).skeleton()
    assert dict(CONV.literals()) == {("in_channels",): 3, ("out_channels",): 8, ("padding",): 1}


def test_literals():
    assert [source(x) for x in ((1,), [1, "a"], float("-inf"), 0.5)] == [
        "(1,)",
        "[1, 'a']",
        'float("-inf")',
        "0.5",
    ]

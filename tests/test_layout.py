"""Axes as users name them."""

import pytest

from convblocks.errors import OptionError
from convblocks.layout import Layout, axis_names, parse_axes


@pytest.mark.parametrize(
    ("axes", "layout"),
    [
        ("channels,height,width", Layout(spatial=(2, 3), channels=1)),
        ("time,channels", Layout(spatial=(1,), channels=2)),
        ("time,batch,features", Layout(spatial=(0,), channels=2, batch=1)),
        ("features", Layout(spatial=(), channels=1)),
        ("Time , Channels", Layout(spatial=(1,), channels=2)),
    ],
)
def test_names_become_positions(axes, layout):
    assert parse_axes(axes) == layout


@pytest.mark.parametrize(
    ("axes", "size", "problem"),
    [
        ("time,chanels", None, "'chanels' is no name of an axis"),
        ("time,", None, "a name is missing"),
        ("channels,features", None, "names channels twice"),
        ("time,channels", (8, 9, 10), "names 2 axes without the batch, and the input 8×9×10 has 3$"),
        ("batch,time,channels", (4, 9, 10), "leave the batch out of the input: 9x10"),
    ],
)
def test_names_that_cannot_be(axes, size, problem):
    with pytest.raises(OptionError, match=problem):
        parse_axes(axes, size)


@pytest.mark.parametrize("axes", ["channels,height,width", "length,channels", "channels,depth,height,width"])
def test_names_read_back(axes):
    layout = parse_axes(axes)
    rank = len(axes.split(",")) + 1
    assert parse_axes(",".join(axis_names(rank, layout))) == layout

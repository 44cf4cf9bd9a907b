"""Sizes and dtypes of a target's inputs, and the sentence on axes that are assumed."""

import pytest
import torch
from torch import nn

from convblocks.analysis.trace import attempt
from convblocks.cli.inputs import inputs_of, say_axes
from convblocks.errors import OptionError
from convblocks.targets import Target


def test_inputs_given_come_before_the_target_s_own():
    own = Target(module=nn.Identity(), name="net", kind="file", input_size=(3, 8, 8))
    assert inputs_of(own, []) == ([(3, 8, 8)], [])
    assert inputs_of(own, [((7,), "int64")]) == ([(7,)], [torch.int64])
    with pytest.raises(OptionError, match="does not say its input"):
        inputs_of(Target(module=nn.Identity(), name="net", kind="file"), [])


def test_axes_are_said_only_where_they_are_assumed(capsys):
    for module, size, assumed in ((nn.Conv2d(3, 4, 3), (3, 8, 8), False), (nn.ReLU(), (3, 8, 8), True)):
        say_axes(attempt(module, size))
        assert bool(capsys.readouterr().err) == assumed
    say_axes(attempt(nn.Linear(3, 4), (5,)))  # which fails, and is told by the command itself
    assert capsys.readouterr().err == ""

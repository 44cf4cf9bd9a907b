"""The docstring of a printed file states what an analysis tells."""

import ast

import torch
from torch import nn

from convblocks import BlockSpec, analyze
from convblocks.deploy.code.docstring import docstring


def lines(module, size, **given):
    output = module(torch.zeros(2, *size))
    text = docstring(
        analyze(module, size), module, output, **{"title": "", "command": "", "width": 100, **given}
    )
    return ast.literal_eval(text).splitlines()


def test_it_has_the_figures_of_the_analysis_and_the_paper():
    block = BlockSpec("residual").build(8, 8)
    analysis = analyze(block, (8, 9, 9))
    rows = {line[:17].strip(): line[17:] for line in lines(block, (8, 9, 9))[2:]}
    assert rows["shapes"] == "(N, 8, 9, 9) -> (N, 8, 9, 9)"
    assert rows["parameters"] == f"{analysis.params:,}"
    assert rows["MACs"].startswith(f"{analysis.macs:,} ")
    assert rows["receptive field"] == "5 × 5"
    assert "1512.03385" in rows["source"]


def test_title_and_command_are_those_given():
    linear = nn.Linear(2, 3)
    assert lines(linear, (2,))[0] == "Linear"
    text = lines(linear, (2,), title='A """title"""', command="convblocks code x")
    assert text[0] == "A '''title'''"
    assert text[-1] == "Made by: convblocks code x"

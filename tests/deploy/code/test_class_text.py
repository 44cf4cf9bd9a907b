"""The text of one class."""

import ast

from torch import nn

from convblocks.deploy.code.class_text import class_text, init_text
from convblocks.deploy.code.leaves import leaf
from convblocks.deploy.code.parameters import parameters


class Kind(nn.Module):
    """Two convolutions; (N, in_channels, H, W) to (N, out_channels, H, W), after a sentence that fills the line.

    More that a printed file need not repeat.
    """


def test_the_docstring_is_the_first_paragraph_and_its_shapes_stand_apart():
    text = class_text("Kind", "nn.Module", Kind, ["x = 1"])
    doc = ast.get_docstring(ast.parse(text).body[0])
    assert [" ".join(paragraph.split()) for paragraph in doc.split("\n\n")] == [
        "Two convolutions.",
        "(N, in_channels, H, W) to (N, out_channels, H, W), after a sentence that fills the line.",
    ]


def test_a_constructor_makes_the_parts_of_its_arguments():
    parts = [{"conv": leaf(nn.Conv2d(2, c, 1), "conv")} for c in (4, 8)]
    signature = parameters(parts, (), False)
    (text,) = init_text(parts, signature, {}, [], ["nn.init.zeros_(self.conv.weight)"])
    assert text.splitlines() == [
        "def __init__(self, out_channels: int):",
        "    super().__init__()",
        "    self.conv = nn.Conv2d(2, out_channels, 1)",
        "    nn.init.zeros_(self.conv.weight)",
    ]
    assert init_text([{}], parameters([{}], (), False), {}, [], []) == []

"""A family's text is read once, and written in one way."""

import pytest
from torch import nn

from convblocks import BlockSpec
from convblocks.errors import OptionError
from convblocks.records.family import Family
from convblocks.records.question import Question


def families(given):
    return tuple(map(str, Question(families=given).families))


def test_a_family_is_written_in_one_way_whether_as_text_or_as_value():
    texts = "residual( dilation = 1,attention=eca )", "residual()", "wide(kernels=B(3,1,3))"
    specs = (
        BlockSpec("residual", attention="eca", dilation=1),
        BlockSpec("residual"),
        BlockSpec("wide", kernels="B(3,1,3)"),
    )
    expected = "residual(attention=eca,dilation=1)", "residual", "wide(kernels=B(3,1,3))"
    assert families(texts) == families(specs) == expected
    assert families(specs[0]) == expected[:1]
    assert families(map(Family.parse, texts)) == expected


def test_a_family_is_a_value():
    family = Family.parse("residual(kernel_size=[3,5],attention=eca)")
    assert (family.name, dict(family.options)) == ("residual", {"attention": "eca", "kernel_size": (3, 5)})
    assert hash(family) == hash(Family.parse("residual(attention=eca, kernel_size=[3, 5])"))
    assert BlockSpec(family.name, **family.options) == BlockSpec.parse(str(family))


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
        Question(families=given)

"""Families with options as text: written and read back, and what is no such text."""

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convblocks import BLOCKS, BlockSpec
from convblocks.errors import SpecError
from convblocks.notation import parse, short, split, value, written

WORDS = st.one_of(
    st.text(),
    st.text("()[]'\",= \\#.-+\n0123456789eBtrufalsinN", max_size=12),
    st.sampled_from(
        ["none", "None", "true", "nan", "-inf", "1", "B(3,1,3)", "B(3, 1)", "1979-05-27", "x # y"]
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), WORDS),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=6,
)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True)
OPTIONS = st.dictionaries(NAMES, VALUES, max_size=4)
FAMILIES = st.sampled_from([*BLOCKS, "package.module:Class"])


def no_none(given):
    """TOML's lists hold no None, which only stands by itself."""
    return None not in given and all(map(no_none, given)) if isinstance(given, list) else True


@given(FAMILIES, OPTIONS.filter(lambda options: all(map(no_none, options.values()))))
def test_what_is_written_reads_back(family, options):
    found, read = parse(written(family, options))
    assert found == family
    assert repr(sorted(read.items())) == repr(sorted(options.items()))  # 3 is not 3.0, nor True 1


@given(
    st.lists(
        st.tuples(FAMILIES, OPTIONS.filter(lambda o: all(map(no_none, o.values())))), min_size=1, max_size=4
    )
)
def test_a_list_of_them_splits_into_them(several):
    texts = [written(*one) for one in several]
    assert split(", ".join(texts)) == texts


@pytest.mark.parametrize(
    "spec",
    [
        BlockSpec("residual"),
        BlockSpec("residual", attention="eca", depth=3),
        BlockSpec("residual", kernel_size=(3, 5), bias=None, stochastic_depth=0.5),
        BlockSpec("wide", kernels="B(3,1,3)"),
        BlockSpec("wide", kernels="B(3, 1, 3)"),
    ],
)
def test_a_block_s_text_is_that_block(spec):
    assert BlockSpec.parse(str(spec)) == spec


def test_as_in_the_paper():
    assert str(BlockSpec("wide", kernels="B(3,1,3)", dropout=0.3)) == "wide(dropout=0.3,kernels=B(3,1,3))"
    assert split("simple, wide(kernels=B(3,1,3),dropout=0.3),residual") == [
        "simple",
        "wide(kernels=B(3,1,3),dropout=0.3)",
        "residual",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4", 4),
        ("0.5", 0.5),
        ("1e-6", 1e-6),
        ("true", True),
        ("False", False),
        ("None", None),
        ("none", "none"),
        ("3,5", [3, 5]),
        ("[3, 5]", [3, 5]),
        ("B(3,1)", "B(3,1)"),
        ('"4"', "4"),
        ("{a = 1}", "{a = 1}"),  # TOML, but no value that an option has
        ("1979-05-27", "1979-05-27"),
        ("1\nx = 2", "1\nx = 2"),
    ],
)
def test_a_value_as_typed(text, expected):
    found = value(text)
    assert (found, type(found)) == (expected, type(expected))


def test_infinity_and_no_number():
    assert value("-inf") == -math.inf
    assert math.isnan(parse(written("a", {"b": math.nan}))[1]["b"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("residual(", "a bracket of '' has no partner|expected a family's name"),
        ("(depth=2)", "expected a family's name, or NAME"),
        ("residual(depth=2)x", "expected a family's name, or NAME"),
        ("wide(kernels=B(3,1)", "a bracket of .* has no partner"),
        ("wide(kernels=B)3,1()", "a bracket of .* has no partner"),
        ("residual(eca)", "'eca' is no option of residual; expected NAME=VALUE"),
        ("residual(depth=)", "'depth=' is no option of residual"),
        ("residual(depth=2,)", "'' is no option of residual"),
        ("residual(my depth=2)", "'my depth=2' is no option"),
        ("residual(depth=2,depth=2)", "depth: is given twice; once is enough"),
    ],
)
def test_refusals(text, message):
    with pytest.raises(SpecError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "class"),
        ({"attention": "eca"}, "class-eca"),
        ({"kernels": "B(3,1,3)", "dropout": 0.3}, "class-dropout0.3-b313"),
        ({"norm": "none", "zero_init": True, "bias": False}, "class-nobias-nonorm-zero_init"),
        ({"kernel_size": (3, 5), "expansion": 0}, "class-expansion0-kernel_size3x5"),
        ({"a": "é/../:", "b": "é"}, "class-..-b"),
    ],
)
def test_short(options, expected):
    assert short("package.module:Class", options) == expected


@given(OPTIONS)
def test_short_is_fit_for_a_file_name_on_any_system(options):
    assert set(short("residual", options)) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")


def test_it_loads_no_torch():
    code = "import sys, convblocks.notation; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

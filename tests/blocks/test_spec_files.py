"""Descriptions as text, which strangers may have written."""

import json

import pytest

from convblocks import BlockSpec, Network
from convblocks.blocks.block_spec import foreign_classes
from convblocks.errors import SpecError


@pytest.mark.parametrize(
    ("read", "text"), [(Network.from_toml, "a = "), (Network.from_json, "{"), (Network.from_json, "[1]")]
)
def test_text_that_is_no_spec(read, text):
    with pytest.raises(SpecError):
        read(text)


DEEP = 900  # deeper than Python recurses, not than msgspec does


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (Network.from_json, "[" * 100_000),
        (Network.from_json, '{"stages":' * DEEP + "1" + "}" * DEEP),
        (Network.from_toml, "a = " + "[" * 100_000),
        (Network.from_toml, ".".join("a" * DEEP) + " = 1"),
        (Network.from_toml, "a = " + "[" * 40 + "]" * 40),
    ],
)
def test_text_that_nests_without_end_is_no_spec(read, text):
    with pytest.raises(
        SpecError, match=r"^tables and lists nest deeper than 32; expected a block's or network's"
    ):
        read(text)


def test_tables_that_nest_without_end_are_no_spec():
    deep = []
    for _ in range(DEEP):
        deep = [deep, deep]  # 2⁹⁰⁰ lists, if each is followed anew
    for read in (Network.from_dict, BlockSpec.from_dict):
        with pytest.raises(SpecError, match="nest deeper"):
            read({"family": "residual", "kernel_size": deep, "stages": deep})
    assert foreign_classes(json.loads('{"a":[' * 400 + '{"family":"os:b"}' + "]}" * 400)) == ["os:b"]
    table = {"family": "a:B", "stages": [{"family": "c:D"}, {"x": {"family": "a:B"}}, {"family": "simple"}]}
    assert foreign_classes(table) == ["a:B", "c:D"]


@pytest.mark.parametrize("text", ["a = " + "1" * 5000, "a = '\ud800'"])
def test_what_cannot_be_a_number_or_text_is_no_spec(text):
    with pytest.raises(SpecError):
        Network.from_toml(text)
    with pytest.raises(SpecError):
        Network.from_json(text.replace("a = ", "").replace("'", '"'))

"""Findings go to JSON and back under the keys of earlier versions."""

import msgspec
import pytest

from convblocks.records import SEVERITIES, Finding


def test_a_finding_of_an_earlier_version_is_read_and_written_alike():
    text = '{"id":"CB101","severity":"warning","place":"0","message":"m","mend":"bias=False","figures":{"params":8}}'
    finding = msgspec.json.decode(text, type=Finding)
    assert finding.fix == "bias=False"
    assert msgspec.json.encode(finding).decode() == text


def test_a_severity_is_one_of_three():
    finding = Finding(id="CB101", severity="grave", place="", message="", fix="", figures={})
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(finding), type=Finding)
    assert SEVERITIES == ("note", "warning", "error")

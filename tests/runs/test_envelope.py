"""Records as text: their checksum, and the field names of earlier versions."""

import json
from hashlib import sha256

import msgspec
import pytest

from convblocks.records import Design
from convblocks.runs.envelope import seal, unseal
from convblocks.runs.store import RunFolder
from tests.compared import without_checksum
from tests.made_records import make_design, make_run, make_study


def test_runs_of_before_there_was_mean_iou_can_be_read(tmp_path):
    run = make_run(make_design("a"), 0, 0.9)
    folder = RunFolder(tmp_path)
    folder.save_study(make_study())
    folder.add_run(run)
    without_checksum(tmp_path / "study.json")
    path = without_checksum(tmp_path / "runs.jsonl")
    table = json.loads(path.read_text())
    for part in ("validation", "test"):
        table[f"{part}_accuracy"] = table.pop(f"{part}_score")
        del table[f"{part}_overlaps"]
    for epoch in table["epochs"]:
        for part in ("validation", "train"):
            epoch[f"{part}_accuracy"] = epoch.pop(f"{part}_score")
    path.write_text(json.dumps(table) + "\n")
    assert folder.runs() == [run]


def test_the_checksum_is_of_the_content_and_not_of_its_layout():
    line = seal(make_design("a"), "of a study")
    table, study = unseal(line)
    assert (msgspec.convert(table, Design), study) == (make_design("a"), "of a study")
    turned = dict(reversed(json.loads(line).items()))
    assert unseal(json.dumps(turned, indent=2).encode()) == (table, "of a study")
    alone = {name: value for name, value in sorted(json.loads(line).items()) if name != "sha256"}
    text = json.dumps(alone, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    assert json.loads(line)["sha256"] == sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line.replace(b'"macs":1000000', b'"macs":1000001'), "its checksum"),
        (lambda line: line.replace(b'"of a study"', b'"of another"'), "its checksum"),
        (lambda line: line.replace(b'"params":', b'"params":1,"params":'), "'params' comes twice"),
        (lambda line: line[:-1], "truncated"),
        (lambda line: b'{"a":' + b"[" * 100_000, "nests without end"),
    ],
)
def test_damaged_text_is_refused(change, message):
    line = seal(make_design("a"), "of a study")
    assert change(line) != line
    with pytest.raises(ValueError, match=message):
        unseal(change(line))

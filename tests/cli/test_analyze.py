"""``convblocks analyze`` as a person meets it: a tree that fits, totals, JSON alone, one line for bad input."""

import json

import pytest
import torch
from torch import nn

from convblocks import analyze
from convblocks.cli import main
from convblocks.cli.parse import levels, sized
from convblocks.errors import OptionError

pytestmark = pytest.mark.usefixtures("folder")


def printed(capsys, *arguments: str) -> str:
    main(["analyze", *arguments])
    found = capsys.readouterr()
    assert found.err == ""
    return found.out


def test_a_network_of_the_zoo_has_the_published_figures(capsys):
    found = json.loads(printed(capsys, "zoo:resnet50", "--json"))
    assert found["params"] == 25_557_032
    assert round(found["macs"] / 1e9, 2) == 4.09


def test_json_is_the_record_and_nothing_else(capsys, folder):
    table = json.loads(printed(capsys, "models.py:Net", "--input", "3x8x8", "--json"))
    assert table["macs"] == 64 * (3 * 8 * 9 + 2 * 8 * 8 * 9) + 8 * 5
    assert table["params"] == (3 * 8 * 9 + 8) + 2 * (8 * 8 * 9 + 8) + 8 + 45
    assert table["input_size"] == [3, 8, 8]
    assert table["unknown_ops"] == []
    names = [layer["name"] for layer in table["layers"]]
    assert names == ["stem", "stage.0.0", "stage.0.1", "stage.1.0", "stage.1.1", "", "", "", "head"]
    types = [layer["type"] for layer in table["layers"] if not layer["name"]]
    assert types == ["mul", "add", "mean"]  # and no abs, which sees parameters alone
    assert sum(layer["params"] for layer in table["layers"]) == table["params"]
    assert table["layers"][3]["receptive_field"] == [[1, -3, 3], [1, -3, 3]]
    assert table["layers"][-1]["receptive_field"] == ["all", "all"]
    assert [layer["productive"] for layer in table["layers"]] == [True] * 7 + [None, None]


def test_what_the_target_s_own_code_prints_is_not_in_the_record(capsys, folder):
    (folder / "loud.py").write_text(
        "from models import Net as Quiet\nprint('hello')\n\n\nclass Net(Quiet):\n"
        "    def forward(self, x):\n        print(x.shape)\n        return super().forward(x)\n"
    )
    main(["analyze", "loud.py:Net", "--input", "3x8x8", "--json"])
    found = capsys.readouterr()
    assert json.loads(found.out)["input_size"] == [3, 8, 8]
    assert found.err.splitlines()[0] == "hello"


def test_several_inputs_each_with_its_dtype(capsys):
    text = printed(capsys, "models.py:Two", "--input", "3x16x16", "--input", "7:int64", "--json")
    table = json.loads(text)
    assert table["input_sizes"] == [[3, 16, 16], [7]]
    assert table["dtypes"] == ["float32", "int64"]


def test_sizes_and_levels_as_typed():
    assert sized("input", "3x224×224") == ((3, 224, 224), "float32")
    assert sized("input", "128:int64") == ((128,), "int64")
    assert [levels("depth", text) for text in ("1", "12", "all")] == [1, 12, float("inf")]
    for text in ("0", "-1", "1.5", "", "ALL"):
        with pytest.raises(OptionError):
            levels("depth", text)
    for text in ("", "x", "3x", "0x3", "3:", "3:int", ":int64"):
        with pytest.raises(OptionError):
            sized("input", text)


def test_autocast_is_no_mistake():
    class Auto(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.conv(x.bfloat16())

    assert analyze(Auto(), (3, 8, 8)).macs == 4 * 27 * 36


def test_the_page_is_written_beside_the_table_or_the_json(capsys, folder):
    text = printed(capsys, "models.py:Net", "--input", "3x8x8", "--html", "out/page.html")
    assert text.endswith("\nPage: out/page.html\n")
    html = (folder / "out" / "page.html").read_text()
    assert "danielbuechele" in html
    assert "The network, drawn" in html
    table = printed(capsys, "models.py:Net", "--input", "3x8x8", "--html", "page.html", "--json")
    assert json.loads(table)["module"] == "Net"

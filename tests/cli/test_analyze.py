"""``convblocks analyze`` as a person meets it: a tree that fits, totals, JSON alone, one line for bad input."""

import json
import re
from base64 import b64decode
from io import BytesIO

import pytest
import torch
from PIL import Image
from torch import nn

from convblocks import analyze
from convblocks.cli import main
from convblocks.cli.layer_tree import tree
from convblocks.cli.parse import levels, sized
from convblocks.cli.picture import picture
from convblocks.errors import OptionError
from convblocks.targets import load_target

pytestmark = pytest.mark.usefixtures("folder")


def printed(capsys, *arguments: str) -> str:
    main(["analyze", *arguments])
    found = capsys.readouterr()
    assert found.err == ""
    return found.out


def rows(text: str) -> dict[str, list[str]]:
    """The tree's lines by their layer, indented as it is; a no-break space keeps a figure whole."""
    found = {}
    for line in text.splitlines()[1:]:
        if not line.strip() or line.startswith("Folded"):
            break
        name, *cells = (cell for cell in line.split(" ") if cell)
        found[line[: line.index(name)] + name] = cells
    return found


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


def test_each_call_of_a_function_is_a_row_where_it_happens():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 3)

        def forward(self, x):
            return torch.relu(self.second(torch.relu(self.first(x))))

    names = [node.name for node in tree(analyze(Twice(), (3, 8, 8))).children.values()]
    assert names == ["first", "relu()", "second", "relu()"]


def test_the_tree_is_folded_at_a_depth_and_adds_up(capsys):
    folded = rows(printed(capsys, "models.py:Net", "--input", "3x8x8", "--depth", "1"))
    assert list(folded) == ["Net", "stem", "stage", "mul()", "add()", "mean()", "head"]
    assert folded["stage"][:4] == [
        "Sequential",
        "8×8×8",
        "1.17\N{NO-BREAK SPACE}k",
        "73.7\N{NO-BREAK SPACE}k",
    ]
    deeper = rows(printed(capsys, "models.py:Net", "--input", "3x8x8"))
    assert [name for name in deeper if name.startswith("  ")] == ["  0", "  1"]
    whole = printed(capsys, "models.py:Net", "--input", "3x8x8", "--depth", "all")
    assert len(rows(whole)) > len(deeper)
    assert "--depth all" not in whole
    shares = [float(folded[name][4]) for name in ("stem", "stage", "head")]
    assert sum(shares) == pytest.approx(100, abs=0.2)


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_table_fits_its_terminal(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    text = printed(capsys, "torchvision:resnet18", "--depth", "all")
    assert max(map(len, text.splitlines())) <= width
    head = text.splitlines()[0].split()
    assert head[0] == "layer"
    assert {"params", "MACs"} <= set(head)
    assert ("type" in head) == (width >= 100)
    assert "layer4" in text  # nothing is cut off


def test_totals_and_what_removing_unproductive_layers_saves(capsys):
    text = " ".join(printed(capsys, "torchvision:resnet50", "--input", "3x224x224").split())
    assert "MACs forward 4.09 G" in text
    assert "parameters 25.6 M" in text
    assert "the whole input; 427 px at layer4.2.relu before" in text
    assert "from layer3.4.conv3 on: what enters already sees the whole 224×224 image" in text
    assert "MACs are not time" in text
    assert "≥" not in text


def test_what_removing_unproductive_layers_saves_is_what_they_count(capsys):
    text = " ".join(printed(capsys, "torchvision:vgg11", "--input", "3x64x64").split())
    vgg = analyze(load_target("torchvision:vgg11", on_meta=True).module, (3, 64, 64))
    assert [layer.name for layer in vgg.unproductive] == [
        "features.16",
        "features.18",
    ]  # 4 × 2 to 70 px before
    macs = 2 * 512 * 512 * 9 * 4 * 4
    params = 2 * (512 * 512 * 9 + 512)
    assert f"{100 * params / vgg.params:.1f} %" in text
    assert f"{100 * macs / vgg.macs:.1f} %" in text


def test_unknown_ops_make_lower_bounds_by_name(capsys):
    text = " ".join(printed(capsys, "models.py:Unknown", "--input", "3x16x16").split())
    assert "No rule for cummax" in text
    assert "MACs forward ≥" in text


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


def test_the_page_s_image_is_cut_to_the_input(capsys, folder):
    Image.new("RGB", (40, 20), (200, 0, 0)).save(folder / "red.png")
    printed(capsys, "models.py:Net", "--input", "3x16x12", "--html", "page.html", "--image", "red.png")
    html = (folder / "page.html").read_text()
    (uri,) = re.findall(r'href="data:image/png;base64,([^"]+)"', html)
    with Image.open(BytesIO(b64decode(uri))) as drawn:
        assert drawn.size == (12, 16)
        assert drawn.getpixel((6, 8)) == (200, 0, 0)
    assert "Image: red.png." in html
    assert picture(folder / "red.png", (3, 50)) is None
    with Image.open(BytesIO(b64decode(picture(None, (1, 9, 9)).uri.partition(",")[2]))) as grey:
        assert grey.mode == "L"


def test_parameters_that_are_frozen_or_never_read_are_told_apart(capsys, folder):
    (folder / "part.py").write_text(
        "from torch import nn\nclass Part(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.used, self.unused = nn.Conv2d(3, 4, 1, bias=False), nn.Linear(9, 11, bias=False)\n"
        "        self.used.weight.requires_grad_(False)\n    def forward(self, x):\n        return self.used(x)\n"
    )
    text = printed(capsys, "part.py:Part", "--input", "3x4x4")
    assert "111, 444 B; 12 frozen; 99 read by no layer that runs" in text.replace("\N{NO-BREAK SPACE}", " ")

"""The table of an analysis: a tree that adds up and fits its terminal, and totals below it."""

import pytest

from convblocks import analyze
from convblocks.cli.analysis_table import bar
from convblocks.targets import load_target
from tests.cli.test_analyze import printed

pytestmark = pytest.mark.usefixtures("folder")


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


def test_parameters_that_are_frozen_or_never_read_are_told_apart(capsys, folder):
    (folder / "part.py").write_text(
        "from torch import nn\nclass Part(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.used, self.unused = nn.Conv2d(3, 4, 1, bias=False), nn.Linear(9, 11, bias=False)\n"
        "        self.used.weight.requires_grad_(False)\n    def forward(self, x):\n        return self.used(x)\n"
    )
    text = printed(capsys, "part.py:Part", "--input", "3x4x4")
    assert "111, 444 B; 12 frozen; 99 read by no layer that runs" in text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_bar_is_as_long_as_its_part():
    assert [bar(part, 8) for part in (8, 4, 1, 0)] == ["█" * 10, "█" * 5, "█▎", ""]


def rows(text: str) -> dict[str, list[str]]:
    """The tree's lines by their layer, indented as it is; a no-break space keeps a figure whole."""
    found = {}
    for line in text.splitlines()[1:]:
        if not line.strip() or line.startswith("Folded"):
            break
        name, *cells = (cell for cell in line.split(" ") if cell)
        found[line[: line.index(name)] + name] = cells
    return found

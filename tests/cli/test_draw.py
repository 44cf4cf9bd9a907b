"""``convblocks draw``: what is drawn is what the block does, for every family; an SVG anyone can read."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from torch import nn

from convblocks import BLOCKS
from convblocks.cli import main
from convblocks.drawing import outline
from convblocks.records.outline import Box, Line, Outline
from convblocks.report.outline_svg import outline_svg, outline_text

ROOT = Path(__file__).parents[2]


def drawn(capsys, *arguments):
    main(["draw", *arguments])
    return capsys.readouterr().out


def test_a_strided_residual_block_by_hand(capsys):
    text = drawn(capsys, "residual", "--out-channels", "128", "--stride", "2")
    assert text.splitlines()[1:] == [
        "  0  input, 64 channels, 64×64",
        "  1  3×3 conv, 64 → 128, stride 2; batch norm, ReLU; sees 3×3",
        "  2  3×3 conv, 128 → 128; batch norm; sees 7×7",
        "  3      1×1 conv, 64 → 128, stride 2; from 0; batch norm; sees 1×1",
        "  4  +; from 2 and 3; ReLU; sees 7×7",
        "  5  output, 128 channels, 32×32",
    ]


class Outputs(nn.Module):
    """Convolutions of the input, and what `of` makes of their outputs."""

    def __init__(self, of, *channels_and_strides):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, k, 1, stride=stride) for k, stride in channels_and_strides)
        self.of = of

    def forward(self, x):
        return self.of(*(conv(x) for conv in self.convs))


@pytest.mark.parametrize(
    ("module", "last"),
    [
        (Outputs(lambda *maps: maps, (3, 1), (1, 1), (4, 1)), "outputs: 3, 1 and 4 channels, 16×16"),
        (
            Outputs(lambda *maps: list(maps), (8, 1), (1, 2)),
            "outputs: 8 channels of 16×16 and 1 channel of 8×8",
        ),
        (
            Outputs(lambda a, b: {"boxes": a, "scores": b.mean((2, 3))}, (4, 2), (10, 1)),
            "outputs: 4 channels of 8×8 and 10 channels",
        ),
        (Outputs(lambda a, b: (a.mean((2, 3)), b.mean((2, 3))), (4, 1), (5, 1)), "outputs: 4 and 5 channels"),
        (Outputs(lambda a: (a, a), (4, 1)), "outputs: 4 and 4 channels, 16×16"),
        (Outputs(lambda a: (a.mean(), a), (4, 1)), "outputs: one number and 4 channels of 16×16"),
        (Outputs(lambda a: a.mean(), (4, 1)), "output, one number"),
        (Outputs(lambda a: a.mean((1, 2, 3)), (4, 1)), "output, one number per example"),
        (Outputs(lambda a: a, (1, 1)), "output, 1 channel, 16×16"),
    ],
)
def test_each_output_is_named_by_its_own_size(module, last):
    assert outline(module, (3, 16, 16)).boxes[-1].text == last


def test_the_boxes_that_an_output_comes_from_are_listed_apart_from_its_sizes():
    text = outline_text(outline(Outputs(lambda *maps: maps, (5, 1), (1, 1), (4, 1)), (3, 16, 16)))
    assert text.splitlines()[-1].split("; ") == [
        "  4  outputs: 5, 1 and 4 channels, 16×16",
        "from 1, 2 and 3",
    ]


@pytest.mark.parametrize("family", BLOCKS)
@pytest.mark.parametrize("size", ["64x64", "64x64x64", "64x16x16x16"])
def test_every_family_is_drawn_within_80_columns(capsys, tmp_path, family, size):
    text = drawn(capsys, family, "--input", size)
    assert max(map(len, text.splitlines())) <= 80
    assert "conv" in text
    assert drawn(capsys, family, "--input", size, "--out", str(tmp_path / "a.svg")).endswith("a.svg\n")
    root = ET.parse(tmp_path / "a.svg").getroot()  # noqa: S314 - our own file
    titles = root.findall("{*}title") + root.findall("{*}desc")
    assert [part.text is not None for part in titles] == [True, True]
    assert len(root.findall("{*}g")) == sum(line[:3].strip().isdigit() for line in text.splitlines())


def test_a_block_s_toml_and_options_of_its_own(capsys, tmp_path):
    (tmp_path / "b.toml").write_text('family = "bottleneck"\ndepth = 4\ngroups = 8\n')
    assert drawn(capsys, str(tmp_path / "b.toml")) == drawn(
        capsys, "bottleneck", "--depth", "4", "--groups", "8"
    )


def test_a_network_of_the_zoo_fits_a_screen_or_two(capsys):
    lines = drawn(capsys, "zoo:resnet50").splitlines()
    assert len(lines) < 50
    assert max(map(len, lines)) <= 80
    assert [line[5:13] for line in lines if "┌" in line] == [f"×{n} ┌ 1×1" for n in (2, 3, 5, 2)]
    assert "sees 427×427" in lines[-4]  # the published field of its last block, behind the last repetition
    every = drawn(capsys, "zoo:resnet50", "--every-layer").splitlines()
    assert sum("conv," in line for line in every) == 53
    assert not any(line[5:].startswith("×") for line in every)
    assert every[-4].split("sees")[1] == lines[-4].split("sees")[1]


def test_the_pictures_of_the_readme_are_what_draw_makes_now(capsys, tmp_path):
    lines = [
        line.split() for line in (ROOT / "Makefile").read_text().splitlines() if "convblocks draw" in line
    ]
    pictures = sorted(line[-1] for line in lines)
    assert pictures == ["docs/bottleneck.svg", "docs/residual.svg", "docs/simple.svg"]
    for _, _, *arguments, picture in lines:
        drawn(capsys, *arguments, str(tmp_path / "now.svg"))
        assert (tmp_path / "now.svg").read_text() == (ROOT / picture).read_text()
        assert f"({picture})" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["wide", "--kernels", "B(3,1,3)"], "5×5"),
        (["wide(kernels=B(3,1,3))"], "5×5"),
        (["residual", "--dilation", "1,2"], "5×9"),
        (["residual", "--depth", "3", "--zero-init", "false", "--stochastic-depth", "0.1"], "7×7"),
    ],
)
def test_options_are_read_as_typed(capsys, arguments, field):
    assert f"sees {field}" in drawn(capsys, *arguments).splitlines()[-2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["zoo:resnet1B"], "did you mean 'resnet18'?"),
        (["zoo:resnet18", "--depth", "3"], "--depth 3: goes with a block; zoo:resnet18 is none"),
        (["zoo:resnet18", "--stride", "2"], "--stride 2: goes with a block"),
        (["residul"], "did you mean 'residual'?"),
        (["residual", "--dept", "3"], "dept"),
        (["residual(depth=3)", "--depth", "3"], "depth twice: is in residual(depth=3) too"),
        (["residual(depth=3"], "residual(depth=3"),
        (["residual", "--out-channels", "0"], "out_channels: got 0"),
        (["residual", "--input", "4"], "--input 4: expected channels and 1 to 3 spatial axes"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(capsys, arguments, message):
    with pytest.raises(SystemExit) as left:
        main(["draw", *arguments])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_words_of_python_are_truth_values_too(capsys):
    gated, plain, default = (
        drawn(capsys, "inverted", *given)
        for given in (["--squeeze-excite", "True"], ["--squeeze-excite", "False"], [])
    )
    assert plain == default != gated


def test_a_class_that_takes_channels_is_a_family_without_options_too(capsys, tmp_path, monkeypatch):
    (tmp_path / "own_family.py").write_text(
        "from torch import nn\n"
        "class Own(nn.Conv2d):\n"
        "    def __init__(self, in_channels, out_channels, *, stride=1, reach=1):\n"
        "        super().__init__(in_channels, out_channels, 2 * reach + 1, stride, reach)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert "3×3 conv, 64 → 64" in drawn(capsys, "own_family:Own")
    assert "5×5 conv, 64 → 64" in drawn(capsys, "own_family:Own", "--reach", "2")


def test_a_file_runs_no_code_that_is_not_trusted(capsys, tmp_path):
    (tmp_path / "b.toml").write_text('family = "convblocks.blocks.residual:ResidualBlock"\n')
    with pytest.raises(SystemExit) as left:
        main(["draw", str(tmp_path / "b.toml")])
    assert left.value.code == 2
    assert "--trust-code" in capsys.readouterr().err
    assert "conv" in drawn(capsys, str(tmp_path / "b.toml"), "--trust-code")


def test_text_ends_as_text():
    boxes = (Box(text="<b>&", row=0, lane=0), Box(text="output", row=1, lane=0))
    found = Outline(module="<script>", boxes=boxes, lines=(Line(0, 1, 0),))
    assert "<script>" not in outline_svg(found)
    assert "<b>" not in outline_svg(found)
    assert "<b>&" in outline_text(found)


def test_an_assumed_size_is_told(capsys):
    main(["draw", "simple"])
    line = "convblocks: drawn for an input of 64x64x64, which is assumed; --input gives another\n"
    assert capsys.readouterr().err == line
    for stated in (["simple", "--input", "8x16x16"], ["zoo:resnet18"]):
        main(["draw", *stated])
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("x.png", "--out x.png: is written as SVG; give x.svg"),
        ("", "--out '': expected a file"),
        (".", "--out .: expected a file"),
    ],
)
def test_a_place_for_the_drawing_is_checked_before_anything_is_drawn(
    capsys, monkeypatch, tmp_path, out, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["draw", "gone.py:net", "--out", out])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

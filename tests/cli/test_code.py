"""``convblocks code`` at the command line: what it prints runs, and what it cannot do is one line."""

import subprocess
import sys

import pytest
import torch
from msgspec.structs import replace
from safetensors.torch import save_file

from convblocks import BlockSpec, Network, Stage, Stem, load
from convblocks.cli import main
from convblocks.networks.zoo import ZOO
from convblocks.runs.store import RunFolder
from tests.deploy.code.printed import made, namespace

NETWORK = Network(
    in_channels=3,
    classes=5,
    stem=Stem(out_channels=8),
    stages=(Stage(block=BlockSpec("residual", depth=3), blocks=2, out_channels=16, stride=2),),
)


def printed(capsys, *arguments):
    main(["code", *map(str, arguments)])
    found = capsys.readouterr()
    assert found.err == ""
    return found.out


def test_a_family_s_options_and_place(capsys):
    text = printed(
        capsys,
        "residual",
        "--depth",
        3,
        "--norm",
        "none",
        "--input",
        "8x9x9",
        "--out-channels",
        16,
        "--stride",
        2,
    )
    expected = BlockSpec("residual", depth=3, norm="none").build(8, 16, 2)
    assert {n: t.shape for n, t in made(text).state_dict().items()} == {
        n: t.shape for n, t in expected.state_dict().items()
    }
    params = sum(p.numel() for p in expected.parameters())
    assert "(N, 8, 9, 9) -> (N, 16, 5, 5)" in text
    assert f"parameters       {params:,}\n" in text
    assert "He et al. 2016, arXiv:1512.03385, figure 2" in text


@pytest.mark.parametrize(
    ("family", "kind", "option"),
    [
        ("residual", "ResidualBlock", ""),
        ("residual", "ResidualBlock", "--shortcut=zeros"),
        ("residual", "ResidualBlock", "--shortcut=average"),
        ("convnext", "ConvNeXtBlock", "--layer-scale=0.5"),
    ],
)
def test_the_class_serves_other_places_too(capsys, family, kind, option):
    """The shortcut's condition is in the class, so that it is right wherever it stands."""
    stride = 2 if "average" in option else 1
    names = namespace(printed(capsys, family, *option.split(), "--input", "8x9x9", "--stride", stride))
    name, _, value = option.removeprefix("--").replace("-", "_").partition("=")
    spec = BlockSpec(family, **({name: float(value) if value[0] == "0" else value} if option else {}))
    for place in ((8, 8, 1), (8, 24, 1), (8, 8, 2), (16, 48, 2)):
        theirs, ours = names[kind](*place).eval(), spec.build(*place).eval()
        # without what it skips, a pool is not there to be counted in our keys
        theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
        x = torch.randn(1, place[0], 9, 9)
        assert torch.equal(theirs(x), ours(x))


@pytest.mark.parametrize(
    "name", ["resnet18", "cifar_resnet20", "mobilenet_v2", "regnet_x_400mf", "repvgg_a0", "revnet38"]
)
def test_a_network_of_the_zoo_in_the_same_bits(capsys, name):
    text = printed(capsys, f"zoo:{name}", "--input", "3x32x32")
    theirs, ours = made(text).eval(), ZOO[name]().build().eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(theirs(x), ours(x))
    assert f"parameters       {sum(p.numel() for p in ours.parameters()):,}\n" in text


def test_a_depthwise_convolution_stays_one_at_other_widths(capsys):
    names = namespace(printed(capsys, "inverted", "--input", "8x9x9"))
    theirs, ours = names["InvertedResidualBlock"](12).eval(), BlockSpec("inverted").build(12, 12).eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(1, 12, 9, 9)
    assert torch.equal(theirs(x), ours(x))


def test_a_block_s_file(capsys, tmp_path):
    (tmp_path / "block.toml").write_text('family = "bottleneck"\ngroups = 2\n')
    assert "groups=2" in printed(capsys, tmp_path / "block.toml", "--input", "8x9x9")


def test_a_network_s_file_and_its_weights_as_a_script(capsys, tmp_path):
    (tmp_path / "net.toml").write_text(NETWORK.to_toml())
    (tmp_path / "net.py").write_text(printed(capsys, tmp_path / "net.toml", "--input", "3x16x16"))
    save_file(NETWORK.build().state_dict(), tmp_path / "w.safetensors")
    run = [sys.executable, "-I", str(tmp_path / "net.py")]
    command = [*run, "--load", str(tmp_path / "w.safetensors")]
    loaded = subprocess.run(command, capture_output=True, text=True, check=False)
    assert loaded.stdout == "(1, 3, 16, 16) -> (1, 5)\n", loaded.stderr
    (tmp_path / "bad.safetensors").write_bytes(b"no weights")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    wide = {key: value.new_zeros((7, *value.shape)) for key, value in NETWORK.build().state_dict().items()}
    save_file(wide, tmp_path / "wide.safetensors")
    number = len(NETWORK.build().state_dict()) + 1
    for name, reason in (
        ("bad", "cannot be read as .safetensors: "),
        (
            "other",
            f"does not fit: {number} keys are not in both, as head.linear.bias; expected those of convblocks, ",
        ),
        ("wide", "does not fit: Error(s) in loading state_dict"),
        ("gone", "cannot be read: No such file or directory"),
    ):
        refused = subprocess.run(
            [*run, "--load", str(tmp_path / f"{name}.safetensors")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert refused.returncode == 2
        assert f"{name}.safetensors {reason}" in refused.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A tiny compare of digits."""
    out = tmp_path_factory.mktemp("run") / "digits"
    grid = "--families simple,residual --depth 2 --block-depths 2 --seeds 2 --epochs 1 --budget 200k"
    main(["compare", "digits", *grid.split(), "--out", str(out)])
    return out


def test_a_run_folder_gives_what_it_recommends_and_loads_its_weights(capsys, run_folder, tmp_path):
    summary = RunFolder(run_folder).summary()
    recommended = summary.recommended
    RunFolder(run_folder).save_summary(replace(summary, conclusive=True))
    text = printed(capsys, run_folder)
    assert text == printed(capsys, run_folder, "--design", recommended).replace(
        f" --design {recommended}", ""
    )
    ours, x = load(run_folder, recommended), torch.rand(2, 1, 8, 8)
    names = namespace(text)
    theirs = names["make"]().eval()
    best = max(
        RunFolder(run_folder).runs(), key=lambda r: (r.design == recommended, r.validation_score, -r.seed)
    )
    weights = RunFolder(run_folder).weights(recommended, best.seed)
    theirs.load_state_dict(names["read_safetensors"](str(weights)))
    assert torch.equal(theirs(x), ours(x))
    with pytest.raises(SystemExit):
        main(["code", str(run_folder), "--design", "gone"])
    assert "has no design 'gone'" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["code", f"{run_folder}:{recommended}", "--design", recommended])
    assert f"--design {recommended}: give the design once" in capsys.readouterr().err


@pytest.mark.parametrize("changes", [{"conclusive": False}, {"recommended": None}])
def test_a_run_that_recommends_nothing_asks_for_a_design(capsys, run_folder, changes):
    folder = RunFolder(run_folder)
    folder.save_summary(replace(folder.summary(), **changes))
    with pytest.raises(SystemExit) as stopped:
        main(["code", str(run_folder)])
    assert stopped.value.code == 2
    found = capsys.readouterr()
    choices = " or ".join([f"{run_folder}:{design.name}" for design in folder.designs()])
    assert found.out == ""
    assert found.err.endswith(f"choose one: {choices}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("residual --deep 3", "deep: residual has no such option; did you mean 'depth'?"),
        ("residual depth=3", "unexpected argument 'depth=3'"),
        ("residual --input 8x", "--input 8x: expected channels and 1 to 3 spatial axes"),
        ("residual --design a", "--design a: goes with a run folder; residual is a block"),
        ("zoo:resnet1B", "the zoo has no network called 'resnet1B'; did you mean 'resnet18'?"),
        ("residul", "there is no family 'residul'; did you mean 'residual'?"),
        ("residual --stride 0", "stride: got 0"),
        ("torchvision:resnet18 --stride 2", "--stride 2: goes with a block; torchvision:resnet18 is none"),
        ("torchvision:resnet18 --depth 2", "--depth 2: goes with a block; torchvision:resnet18 is none"),
    ],
)
def test_what_cannot_be_is_one_line(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        main(["code", *arguments.split()])
    assert stopped.value.code == 2
    found = capsys.readouterr()
    assert found.out == ""
    (line,) = found.err.splitlines()
    assert message in line

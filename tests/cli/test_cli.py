"""The command line as a person meets it: fast help, one-line refusals, exit status 2."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from convblocks.cli import main
from convblocks.cli.parse import amount, names, numbers
from convblocks.errors import OptionError


def run(*arguments, cwd=None):
    command = [sys.executable, "-m", "convblocks", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def refused(*arguments, cwd=None):
    """The one line that a refusal prints."""
    found = run(*arguments, cwd=cwd)
    assert found.returncode == 2, found
    assert found.stdout == ""
    (line,) = found.stderr.splitlines()
    assert line.startswith("convblocks: ")
    return line


def test_help_names_the_commands_and_needs_no_torch():
    code = "import sys\nfrom convblocks.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    found = subprocess.run(
        [sys.executable, "-c", code + "sys.exit('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0
    assert "compare" in found.stdout
    assert "report" in found.stdout


def test_help_lines_fit_80_columns():
    environment = {**os.environ, "COLUMNS": "80"}
    for arguments in (["--help"], ["compare", "--help"], ["report", "--help"]):
        command = [sys.executable, "-m", "convblocks", *arguments]
        found = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        assert max(map(len, found.stdout.splitlines())) <= 80


def test_help_takes_less_than_0_3_s():
    """Not a timing but a promise with a wide margin: 0.12 s here. The fastest of five, for noisy machines."""
    spent = []
    for _ in range(5):
        started = time.perf_counter()
        run("--help")
        spent.append(time.perf_counter() - started)
    assert min(spent) < 0.3


def test_version():
    assert run("--version").stdout.strip() == "0.1.0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--sed", "3"], "Unknown option: --sed. Did you mean --seeds?"),
        (["compar"], "compar"),
        (["compare", "--seeds", "many"], "many"),
        (["compare", "--depth", "x"], "--depth='x': expected whole numbers"),
        (["compare", "--depth", "0"], "--depth='0': expected whole numbers of at least 1"),
        (["compare", "--families", ","], "--families=',': expected names"),
        (["compare", "--families", "residul"], "did you mean 'residual'?"),
        (["compare", "--families", "json:JSONDecoder"], "is not a torch.nn.Module class"),
        (["compare", "--budget-macs", "lots"], "--budget-macs='lots': expected a positive amount such as 5M"),
        (
            ["compare", "--budget-params", "5k"],
            "--budget-params='5k': goes with --match params, but --match is macs",
        ),
        (["compare", "--match", "flops"], "match='flops': expected macs, params, activations or none"),
        (
            ["compare", "--depth", "7", "--stages", "2"],
            "depth=7: 2 stages cannot share it evenly; use 6 or 8",
        ),
        (["compare", "--seeds", "0"], "seeds=0"),
        (["compare", "--seeds", "9" * 20], "at most 1,000"),
        (["compare", "--epochs", "0"], "epochs=0"),
        (["compare", "--epochs", "1.5"], "--epochs='1.5': expected a whole number. See"),
        (["compare", "--budget-macs", "10"], "budget_macs=10: no design can meet it: the nearest widths"),
        (["compare", "--budget-macs", "1e30"], "at most"),
        (["compare", "--learning-rate", "-1"], "learning_rate=-1.0"),
        (["compare", "--stages", "0"], "stages=0"),
        (["compare", "no/such/place"], "no/such/place"),
        (["compare", "digit"], "did you mean 'digits'"),
        (["compare", "--device", "cuda"], "device='cuda': torch finds no CUDA device here; use cpu"),
        (["compare", "--image-size", "0"], "size=0"),
        (["compare", "--layout", "none"], "layout='none': goes with a .npz file; the embedded set digits"),
        (["report", "no/such/run"], "no/such/run holds no study"),
        (["report"], "RUN requires an argument"),
    ],
)
def test_what_is_refused_is_one_line_and_exit_2(arguments, message, tmp_path):
    if "cuda" in arguments:
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("this machine has what the test says it lacks")
    assert message in refused(*arguments, cwd=tmp_path)
    assert not (tmp_path / "runs").exists()


def test_a_broken_image_is_named(tmp_path):
    for name in "ab":
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(np.full((8, 8), 20 * i, np.uint8)).save(tmp_path / "data" / name / f"{i}.png")
    (tmp_path / "data" / "a" / "3.png").write_bytes(b"")
    line = refused("compare", "data", cwd=tmp_path)
    assert "3.png" in line
    assert "--skip-broken" in line


def test_a_family_from_the_working_directory(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "class Block(nn.Sequential):\n"
        "    def __init__(self, in_channels, out_channels, *, stride=1, depth=1):\n"
        "        super().__init__(*(nn.Conv2d(out_channels if i else in_channels, out_channels, 3,"
        " 1 if i else stride, 1) for i in range(depth)))\n"
    )
    options = [
        "--families",
        "mine:Block",
        "--depth",
        "2",
        "--block-depths",
        "1,2",
        "--seeds",
        "2",
        "--epochs",
        "1",
    ]
    found = run("compare", *options, "--match", "none", "--out", "run", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "block-1-d2" in found.stdout
    assert (tmp_path / "run" / "report.html").exists()
    again = run("report", "run", cwd=tmp_path)
    assert again.returncode == 0
    assert again.stdout == found.stdout


def test_a_family_that_fails_while_training_is_one_line(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "class Block(nn.Conv2d):\n"
        "    def __init__(self, in_channels, out_channels, *, stride=1, depth=1):\n"
        "        super().__init__(in_channels, out_channels, 3, stride, 1)\n"
        "    def forward(self, x):\n"
        "        if len(x) == 32: raise RuntimeError('no\\nbatch of 32')\n"
        "        return super().forward(x)\n"
    )
    options = [
        "--families",
        "mine:Block",
        "--depth",
        "1",
        "--block-depths",
        "1",
        "--seeds",
        "1",
        "--match",
        "none",
    ]
    found = run("compare", *options, "--out", "run", cwd=tmp_path)
    assert found.returncode == 2
    assert "Traceback" not in found.stderr
    assert (
        found.stderr.splitlines()[-1] == "convblocks: training block-1-d1 with seed 0 failed: no batch of 32"
    )


def test_a_run_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    assert "file" in refused("compare", "--out", "file", cwd=tmp_path)


def test_main_can_be_called_from_python(capsys):
    with pytest.raises(SystemExit) as left:
        main(["compare", "--seeds", "none"])
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("convblocks: ")


@pytest.mark.parametrize(
    ("text", "value"), [("5M", 5_000_000), ("250k", 250_000), ("1.2G", 1_200_000_000), ("1_000", 1000)]
)
def test_amounts(text, value):
    assert amount("--budget-macs", text) == value


@pytest.mark.parametrize("text", ["", "M", "-5M", "5T", "nan", "inf", "5 M M"])
def test_no_amounts(text):
    with pytest.raises(OptionError, match="--budget-macs"):
        amount("--budget-macs", text)


def test_lists_drop_repeats():
    assert numbers("--groups", "1,8,1") == [1, 8]
    assert names("--families", " simple, residual ,simple") == ["simple", "residual"]

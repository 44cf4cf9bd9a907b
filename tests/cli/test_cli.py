"""The command line as a person meets it: fast help, one-line refusals, exit status 2."""

import re
import resource
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO

import numpy as np
import pytest
from PIL import Image

from convblocks.cli import main


def run(*arguments, cwd=None):
    command = [sys.executable, "-m", "convblocks", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def refused(*arguments, cwd):
    """Returns the one line that a refusal prints. It runs in this process, where torch is imported already."""
    output, errors = StringIO(), StringIO()
    with chdir(cwd), redirect_stdout(output), redirect_stderr(errors), pytest.raises(SystemExit) as ended:
        main([*map(str, arguments)])
    assert (ended.value.code, output.getvalue()) == (2, "")
    return single_line(errors.getvalue())


def single_line(errors):
    (line,) = errors.splitlines()
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


@pytest.mark.parametrize(
    "command", ["", "advise", "analyze", "code", "compare", "draw", "probe", "report", "signal"]
)
def test_help_lines_fit_80_columns(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    main([*command.split(), "--help"])
    assert len(text := capsys.readouterr().out) > 200
    assert max(map(len, text.splitlines())) <= 80


def processor_s(*command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_takes_a_third_of_what_importing_torch_takes():
    """Side by side and once at least: a slow or busy machine is no reason to fail."""
    ratios = []
    while not ratios or (min(ratios) >= 0.33 and len(ratios) < 10):
        ratios.append(processor_s("-m", "convblocks", "--help") / processor_s("-c", "import torch"))
    assert min(ratios) < 0.33


def test_version():
    assert run("--version").stdout.strip() == "0.1.0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--sed", "3"], "Unknown option: --sed. Did you mean --seeds?"),
        (["compar"], "compar"),
        (["compare", "--no-skip-broken"], "Did you mean --skip-broken? See convblocks --help."),
        (["compare", "digits", "faces"], "unexpected argument 'faces'. See"),
        (["compare", "--seeds", "many"], "--seeds many: expected a whole number"),
        (["compare", "--learning-rate", "x"], "--learning-rate x: expected a number, e.g. 0.05"),
        (["compare", "--depth", "x"], "--depth x: expected whole numbers"),
        (["compare", "--depth", "0"], "--depth 0: expected whole numbers of at least 1"),
        (["compare", "--depth", "8,,4"], "--depth 8,,4: expected whole numbers"),
        (["compare", "--depth", "8", "--depth", "8"], "--depth 8,8: 8 is given twice"),
        (["compare", "--families", ","], "--families ,: expected names"),
        (
            ["compare", "--families", "simple,,simple"],
            "--families simple,,simple: expected names separated by si",
        ),
        (["compare", "--families", "simple,simple"], "--families simple,simple: simple is given twice"),
        (["compare", "--groups", "1,8,1"], "--groups 1,8,1: 1 is given twice; once is enough"),
        (["compare", "--block-depths", "2,"], "--block-depths 2,: expected whole numbers"),
        (
            ["compare", "--families", "simple,residual(attention=ec)"],
            "--families 'residual(attention=ec)': attention: got 'ec'; expected none, squeeze_excite, eca or",
        ),
        (
            ["compare", "--families", "residual(atention=eca,depth=2)"],
            "--families 'residual(atention=eca,depth=2)': atention: residual has no such option; did you mean",
        ),
        (
            ["compare", "--families", "simple,residual(depth=2"],
            "a bracket of 'simple,residual(depth=2' has no p",
        ),
        (["compare", "--families", "residul"], "did you mean 'residual'?"),
        (["compare", "--families", "json:JSONDecoder"], "is not a torch.nn.Module class"),
        (["compare", "--budget", "lots"], "--budget lots: expected a positive amount such as 5M"),
        (["compare", "--budget", "-5M"], "--budget -5M: expected a positive amount such as 5M"),
        (["compare", "--budget", "nan"], "--budget nan: expected a positive amount such as 5M"),
        (
            ["compare", "--budget", "1000G", "--depth", "4"],
            "channels takes over .* to train in .* available: give a smaller --budget, a smaller --batch-size, or",
        ),
        (
            ["compare", "--budget-params", "5k"],
            "--budget-params 5k: goes with --match params, but --match is macs",
        ),
        (["compare", "--match", "flops"], "--match flops: expected macs, params, activations or none"),
        (
            ["compare", "--depth", "7", "--stages", "2"],
            "--depth 7: 2 stages cannot share it evenly; use 6 or 8",
        ),
        (["compare", "--seeds", "0"], "--seeds 0: "),
        (["compare", "--seeds", "9" * 20], "at most 1,000"),
        (["compare", "--epochs", "0"], "--epochs 0: "),
        (["compare", "--epochs", "1.5"], "--epochs 1.5: expected a whole number, e.g. 3"),
        (
            ["compare", "--budget", "10"],
            "--budget 10: too small for any design; the smallest that works is ",
        ),
        (["compare", "--budget", "1e99"], "--budget 1e99: expected a whole number of at most"),
        (["compare", "--learning-rate", "-1"], "--learning-rate -1.0: expected a positive number"),
        (["compare", "--optimizer", "adam"], "--optimizer adam: expected sgd or adamw"),
        (["compare", "--stages", "0"], "--stages 0: "),
        (["compare", "no/such/place"], "no/such/place"),
        (["compare", "digit"], "did you mean 'digits'"),
        (["compare", "--device", "cuda"], "--device cuda: torch finds no CUDA device here; use cpu"),
        (["compare", "--device", "cuda:1"], "--device cuda:1: torch finds no CUDA device here; use cpu"),
        (["compare", "--device", "gpu"], "--device gpu: expected cpu, cuda or cuda:N, e.g. cuda:1"),
        (["compare", "--image-size", "0"], "--image-size 0: expected a whole number of pixels"),
        (["compare", "--layout", "none"], "--layout none: goes with a .npz file; the embedded set digits"),
        (["report", "no/such/run"], "no/such/run holds no study"),
        (["report"], "RUN requires an argument"),
    ],
)
def test_what_is_refused_is_one_line_and_exit_2(arguments, message, tmp_path):
    if arguments[-1].startswith("cuda"):
        torch = pytest.importorskip("torch")
        if torch.cuda.is_available():
            pytest.skip("this machine has what the test says it lacks")
    line = refused(*arguments, cwd=tmp_path)
    assert message in line or re.search(message, line)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("options", [["--sed", "3"], ["--families", "residul"]])
def test_a_refusal_as_a_shell_sees_it(options, tmp_path):
    """Before torch is imported, and after."""
    found = run("compare", *options, cwd=tmp_path)
    assert (found.returncode, found.stdout) == (2, "")
    assert single_line(found.stderr) == refused("compare", *options, cwd=tmp_path)


def test_a_broken_image_is_named(tmp_path):
    for name in "ab":
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(np.full((8, 8), 20 * i, np.uint8)).save(tmp_path / "data" / name / f"{i}.png")
    (tmp_path / "data" / "a" / "3.png").write_bytes(b"")
    line = refused("compare", "data", cwd=tmp_path)
    assert "3.png" in line
    assert "--skip-broken" in line


def few_examples(folder):
    x, y = np.random.default_rng(0).integers(0, 255, (80, 8, 8), np.uint8), np.arange(80) % 2
    np.savez(folder / "few.npz", x=x, y=y)
    return "few.npz"


def test_a_family_from_the_working_directory(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "class Block(nn.Sequential):\n"
        "    def __init__(self, in_channels, out_channels, *, stride=1, depth=1):\n"
        "        super().__init__(*(nn.Conv2d(out_channels if i else in_channels, out_channels, 3,"
        " 1 if i else stride, 1) for i in range(depth)))\n"
    )
    options = ["--families", "mine:Block", "--depth", "2", "--block-depths", "1,2", "--match", "none"]
    options += ["--seeds", "2", "--epochs", "1", "--out", "run"]
    found = run("compare", few_examples(tmp_path), *options, cwd=tmp_path)
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
    options = ["--families", "mine:Block", "--depth", "1", "--block-depths", "1", "--match", "none"]
    found = run("compare", few_examples(tmp_path), *options, "--seeds", "1", "--out", "run", cwd=tmp_path)
    assert found.returncode == 2
    assert "Traceback" not in found.stderr
    assert (
        found.stderr.splitlines()[-1] == "convblocks: training block-1-d1 with seed 0 failed: no batch of 32"
    )


@pytest.mark.parametrize("out", ["file", "file/x", "file/x/y"])
def test_a_run_folder_that_cannot_be_one(out, tmp_path):
    (tmp_path / "file").write_text("")
    line = refused("compare", "--out", out, cwd=tmp_path)
    assert line.endswith(f"{out} cannot be a run folder: file is not a folder; choose another --out")


def test_a_mend_that_is_an_option_is_told_as_one(tmp_path):
    x, y = np.zeros((30, 12, 128), np.uint8), np.arange(30) % 2
    np.savez(tmp_path / "leads.npz", x=x, y=y)
    line = refused("compare", "leads.npz", cwd=tmp_path)
    assert line.endswith("say which with --layout none or --layout channels-first")
    np.savez(tmp_path / "nan.npz", x=np.where(x, x, np.nan), y=y)
    line = refused("compare", "nan.npz", "--layout", "none", cwd=tmp_path)
    assert line.endswith("leave those examples out with --skip-broken")


def test_main_can_be_called_from_python(capsys):
    with pytest.raises(SystemExit) as left:
        main(["compare", "--seeds", "none"])
    assert left.value.code == 2
    assert capsys.readouterr().err.startswith("convblocks: ")

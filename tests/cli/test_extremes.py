"""Values at the edge and beyond: one line at once, never a hang, and never a fault that is called ours."""

import json
import os
import random
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save

from convblocks.cli import main
from convblocks.cli.app import flags_of
from tests.cli.test_cli import refused
from tests.test_reading import at_once

NUMBERS = ["0", "-1", "1", "2", "7", "1e3", "1e308", "nan", "1.5", "2147483648", "9223372036854775807"]
NUMBERS += ["99999999999999999999", "1,5", "0x10"]
SHAPES = ["3x8x8", "1x8x8", "3x0x8", "3x999999999x999999999", "1099511627776x1", "128:int64", "3x8x8:bool"]
SHAPES += ["x", "3x8x8x8"]
TEXTS = [
    "",
    "((((",
    "x" * 5000,
    "1," * 2000,
    "\x1b[31m",
    "caf\udce9",
    "a\nb",
    "[1,2]",
    "residual(depth=1000000)",
]
BOOLEAN = {
    "--json", "--rules", "--all-places", "--trust-code", "--fix", "--mend", "--field", "--all-layers", "--every-layer",
    "--skip-broken", "--measure", "--signal",
}  # fmt: skip
NETWORK = """
in_channels = 3
classes = 4
[[stages]]
blocks = 1
out_channels = 8
block = { family = "residual" }
"""
TARGETS = ["models.py:Net", "models.py:Two", "models.py:no", "net.toml", "residual", "/dev/null", "/", ""]


def status_and_errors(words):
    """Of a command that runs in this process, which must end in order."""
    output, errors = (TextIOWrapper(BytesIO(), encoding="utf-8") for _ in range(2))
    status = 0
    with at_once(60), redirect_stdout(output), redirect_stderr(errors):
        try:
            main(words)
        except SystemExit as ended:
            status = ended.code
    errors.flush()
    return status, errors.buffer.getvalue().decode()


def require_order(words):
    status, errors = status_and_errors(words)
    assert status in (0, 1, 2), (words, errors)
    assert "fault of convblocks" not in errors, (words, errors)
    assert "Traceback" not in errors, (words, errors)
    if status == 2:
        assert errors.count("\n") == 1, (words, errors)
        assert errors.rstrip("\n").isprintable(), (words, errors)


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        (["--threads", "1000000"], "--threads 1000000"),
        (["--workers", "1000000000"], "--workers 1000000000"),
        (["--seeds", "1000000000000"], "--seeds 1000000000000"),
        (["--epochs", "99999999999999999999"], "--epochs 99999999999999999999"),
        (["--batch-size", "9223372036854775807"], "--batch-size 9223372036854775807"),
        (["--image-size", "999999999"], "--image-size"),
        (["--stages", "99999999999999999999"], "--stages 99999999999999999999"),
    ],
)
def test_compare_refuses_what_no_machine_has(options, flag, tmp_path):
    with at_once(60):
        assert flag in refused("compare", "digits", *options, "--out", "run", cwd=tmp_path)


@pytest.mark.parametrize("batch", ["99999999", "9223372036854775807", "999999999999999999999"])
def test_analyze_refuses_a_batch_that_torch_cannot_count(batch, folder):
    assert f"--batch {batch}" in refused(
        "analyze", "models.py:Net", "--input", "3x8x8", "--batch", batch, cwd=folder
    )


def test_code_of_a_module_of_two_inputs_names_the_cause(folder):
    said = refused("code", "models.py:Two", "--input", "3x8x8", cwd=folder)
    assert "Two cannot be run on one input of 3×8×8: TypeError" in said
    assert "writes modules of one input, whose size is given by --input" in said


@pytest.mark.parametrize("seed", range(3))
def test_random_command_lines(seed, folder):
    """A hundred by the same random numbers each time; compare has tests of its own, since it trains."""
    (folder / "net.toml").write_text(NETWORK)
    choose = random.Random(seed).choice
    for _ in range(35):
        command = choose(["analyze", "advise", "code", "draw"])
        words = [command, choose(TARGETS)]
        for _ in range(choose([0, 1, 2, 3])):
            flag = choose(
                [f for f in sorted(flags_of(command)) if f.startswith("--") and "[" not in f and f != "--out"]
            )
            words.append(flag)
            if flag not in BOOLEAN:
                words.append(choose(NUMBERS + SHAPES + TEXTS))
        require_order(words)


def damaged(content, seed):
    """Cut short, bits turned, or other bytes in the middle."""
    choose = random.Random(seed)
    content = bytearray(content)
    if seed % 3 == 0:
        return bytes(content[: choose.randrange(len(content))])
    for _ in range(1 if seed % 3 == 1 else 40):
        content[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
    return bytes(content)


def written(kind):
    """A sound file of that kind, as bytes."""
    file = BytesIO()
    if kind == "npz":
        np.savez(file, x=np.ones((12, 1, 4, 4), np.float32), y=np.arange(12) % 2)
    elif kind == "png":
        Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(file, "png")
    elif kind == "safetensors":
        return save({"weight": torch.ones(3, 4)})
    elif kind == "pt":
        torch.save({"weight": torch.ones(3, 4)}, file)
    elif kind == "json":
        return b'{"in_channels": 3, "classes": 4, "stages": [{"blocks": 1, "out_channels": 8, "block": "residual"}]}'
    else:
        return NETWORK.encode()
    return file.getvalue()


@pytest.mark.parametrize("kind", ["toml", "json"])
def test_damaged_descriptions_as_targets(kind, folder):
    for seed in range(30):
        (folder / f"net.{kind}").write_bytes(damaged(written(kind), seed))
        require_order([["analyze", "draw"][seed % 2], f"net.{kind}", "--input", "3x8x8"])


@pytest.mark.parametrize("kind", ["npz", "png"])
def test_damaged_data(kind, folder):
    for seed in range(30):
        place = folder / "data.npz" if kind == "npz" else folder / "data" / "a" / "0.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(damaged(written(kind), seed))
        data = place if kind == "npz" else folder / "data"
        require_order(["signal", "models.py:Net", "--data", str(data)])


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
def test_damaged_weights(kind, tmp_path):
    from convblocks.errors import WeightsError
    from convblocks.networks.weight_files import read_weights

    for seed in range(30):
        path = tmp_path / f"w.{kind}"
        path.write_bytes(damaged(written(kind), seed))
        try:
            state = read_weights(path)
        except WeightsError as error:
            assert "\n" not in str(error)
        else:  # a bit of a number: no format but a checksum would tell
            assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())


CODE = {
    "exits": "import sys; sys.exit(3)",
    "exits with words": "raise SystemExit('two\\nlines')",
    "raises": "raise RuntimeError('\\x1b[31m two\\nlines')",
    "raises what is no Exception": "class Own(BaseException): pass\nraise Own('x')",
    "recurses": "def f(): return f()\nf()",
    "an exception without words": "class Own(Exception):\n    def __str__(self): raise ValueError\nraise Own",
    "a group": "raise ExceptionGroup('two', [ValueError(1), TypeError(2)])",
    "cannot be decoded": "x = '\udcff'",
    "a null byte": "x = '\0'",
    "too deep": "x = " + "(" * 1000 + ")" * 1000,
}


@pytest.mark.parametrize("code", CODE.values(), ids=CODE)
@pytest.mark.parametrize("where", ["import", "forward"])
def test_code_of_the_user_that_ends_as_it_likes(code, where, folder):
    inside = code if where == "import" else ""
    body = (
        "\n".join(f"        {line}" for line in code.splitlines())
        if where == "forward"
        else "        return x"
    )
    text = f"{inside}\nimport torch\nclass Net(torch.nn.Module):\n    def forward(self, x):\n{body}\n"
    (folder / "user.py").write_bytes(text.encode("utf-8", "surrogateescape"))
    for command in ("analyze", "code"):
        status, errors = status_and_errors([command, "user.py:Net", "--input", "3x8x8"])
        assert (status, errors.count("\n")) == (2, 1), errors
        assert errors.rstrip("\n").isprintable()
        assert "fault of convblocks" not in errors


def test_what_the_code_of_the_user_prints_is_no_part_of_the_output(folder):
    (folder / "user.py").write_text(
        "print('loud')\nimport torch\nclass Net(torch.nn.Conv2d):\n"
        "    def __init__(self): print('louder'); super().__init__(3, 4, 3)\n"
    )
    found = subprocess.run(
        [sys.executable, "-m", "convblocks", "analyze", "user.py:Net", "--input", "3x8x8", "--json"],
        capture_output=True,
        check=True,
    )
    assert json.loads(found.stdout)
    assert b"loud" in found.stderr


def test_paths_of_any_bytes_through_a_compare_and_its_report(tmp_path):
    """Data folder and run folder; a record is JSON, which is UTF-8."""
    data, out = (os.path.join(os.fsencode(tmp_path), name) for name in (b"caf\xe9.npz", b"run\xff"))  # noqa: PTH118
    x = np.random.default_rng(0).random((60, 1, 8, 8), np.float32)
    with open(data, "wb") as file:  # noqa: PTH123
        np.savez(file, x=x, y=np.arange(60) % 2)
    command = [sys.executable, "-m", "convblocks", "compare", data, "--depth", "2", "--families", "simple"]
    command += ["--stages", "1", "--seeds", "1", "--epochs", "1", "--match", "none", "--out", out]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    study = json.loads((tmp_path / os.fsdecode(b"run\xff") / "study.json").read_bytes())
    assert "caf\\xe9.npz" in study["command"]
    page = (tmp_path / os.fsdecode(b"run\xff") / "report.html").read_bytes().decode()
    assert r"caf\xe9.npz" in page
    again = subprocess.run([*command[:3], "report", out], capture_output=True, check=False)
    assert (again.returncode, again.stderr) == (0, b"")
    json_of = [*command[:3], "signal", out + b":simple-d2", "--data", data, "--json"]
    found = subprocess.run(json_of, capture_output=True, check=False)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["target"].endswith(r"run\xff:simple-d2")

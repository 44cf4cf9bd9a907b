"""What the documents show is what happens."""

import doctest
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import convblocks
from convblocks.cli import main
from convblocks.cli.app import app
from convblocks.targets.zoos import with_operators

ROOT = Path(__file__).parents[1]


SOURCE = ROOT / "src"
WITH_EXAMPLES = [
    ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for path in sorted(SOURCE.rglob("*.py"))
    if ">>> " in path.read_text()
]


EXAMPLE_NAMES = {"torch": torch, "torchvision": with_operators(lambda: import_module("torchvision"))}


@pytest.mark.parametrize("module", WITH_EXAMPLES)
def test_examples_in_docstrings(module):
    tried = doctest.testmod(import_module(module), extraglobs=EXAMPLE_NAMES)
    assert tried.attempted > 0
    assert tried.failed == 0


def test_every_family_has_an_example():
    assert {block.__module__ for block in convblocks.BLOCKS.values()} <= set(WITH_EXAMPLES)


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def examples(page):
    """The Python examples of a page."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def commands(page):
    """The arguments of each convblocks command that a page shows, without comments and redirections."""
    lines = re.findall(r"^\$ convblocks (.*)$", page.read_text(), re.MULTILINE)
    for line in lines:
        arguments = shlex.split(line, comments=True)
        yield arguments[: arguments.index(">")] if ">" in arguments else arguments


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


@pytest.mark.parametrize(
    ("page", "code"), [pytest.param(page, code, id=page.stem) for page in PAGES for code in examples(page)]
)
def test_an_example_prints_what_it_says(capsys, tmp_path, monkeypatch, page, code):
    """As a worker imports it: what stands under the guard is run by the slow test below."""
    monkeypatch.chdir(tmp_path)
    exec(code, {"__name__": "__mp_main__"})  # noqa: S102 - our own page
    said = [line.partition("  # ")[2] for line in code.splitlines() if line.startswith("print(")]
    assert said
    assert capsys.readouterr().out.splitlines() == said


@pytest.mark.parametrize(
    "arguments",
    [pytest.param(words, id=" ".join(words)) for page in PAGES for words in commands(page)],
)
def test_a_shown_command_is_understood(arguments):
    app.parse_args(arguments, exit_on_error=False, print_error=False)


@pytest.mark.slow
def test_the_shown_commands_run(tmp_path, monkeypatch, capsys):
    """In the order of the pages, on small data of the shape that they speak of, with less training."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(20):
            pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{i}.png")
    model = (
        "nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))"
    )
    signals = rng.normal(size=(40, 12, 100)).astype("float32")
    np.savez(tmp_path / "signals.npz", x=signals, y=np.arange(40) % 2)
    (tmp_path / "my_model.py").write_text(
        f"from torch import nn\n\ndef make():\n    return {model}\n\n"
        "def tcn():\n    return nn.Sequential(nn.Linear(12, 8), nn.Flatten(), nn.Linear(800, 2))\n"
    )
    for page in PAGES:
        for words in commands(page):
            if words[0] == "compare" and "--help" not in words:
                words = [*words, "--epochs", "1"] + ["--seeds", "1"] * ("--seeds" not in words)
                words = ["1" if words[i - 1] == "--seeds" else word for i, word in enumerate(words)]
            try:
                main(words)
            except SystemExit as ended:
                assert ended.code in (0, None, 1 if words[0] == "advise" else 0), (
                    words,
                    capsys.readouterr().err,
                )
            assert capsys.readouterr().out, words


def test_the_table_names_every_family():
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "blocks.md").read_text(), re.MULTILINE)
    assert rows == list(convblocks.BLOCKS)


@pytest.mark.slow
def test_the_readme_s_python_example_as_a_script(tmp_path):
    checks = ["not model.training", "model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)"]
    code = examples(ROOT / "README.md")[0] + "".join(
        f"    assert {check}\n" for check in checks
    )  # still under the guard
    (tmp_path / "example.py").write_text(code)
    command = [sys.executable, "-W", "error", "example.py"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert found.returncode == 0, found.stderr
    assert set(found.stdout.splitlines()) == {"torch.Size([1, 128, 16, 16])"}  # once here, once a worker
    assert len(list(tmp_path.glob("runs/*/report.html"))) == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_link_to_files_that_exist(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert all((page.parent / link).exists() for link in links)


def test_one_version_everywhere():
    assert f"version: {convblocks.__version__}\n" in (ROOT / "CITATION.cff").read_text()

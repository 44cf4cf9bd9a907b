"""What the documents show is what happens."""

import doctest
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

import convblocks

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("module", [block.__module__ for block in convblocks.BLOCKS.values()])
def test_examples_in_docstrings(module):
    found = doctest.testmod(import_module(module), extraglobs={"torch": torch})
    assert found.attempted > 0
    assert found.failed == 0


def readme_examples():
    """The code of the README: blocks and compare, the papers' networks, analysis."""
    first, second, third = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return first, second, third


def test_the_readme_s_python_example_as_a_worker_imports_it(capsys):
    exec(readme_examples()[0], {"__name__": "__mp_main__"})  # noqa: S102 - our own README
    assert capsys.readouterr().out == "torch.Size([1, 128, 16, 16])\n"


@pytest.mark.parametrize(("example", "lines"), [(1, 2), (2, 5)])
def test_the_readme_s_example_prints_what_it_says(capsys, tmp_path, monkeypatch, example, lines):
    monkeypatch.chdir(tmp_path)
    code = readme_examples()[example]
    exec(code, {})  # noqa: S102
    said = [line.partition("  # ")[2] for line in code.splitlines() if line.startswith("print(")]
    assert len(said) == lines
    assert capsys.readouterr().out.splitlines() == said


def test_the_readme_s_table_names_every_family():
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == list(convblocks.BLOCKS)


@pytest.mark.slow
def test_the_readme_s_python_example_as_a_script(tmp_path):
    checks = ["not model.training", "model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)"]
    code = readme_examples()[0] + "".join(
        f"    assert {check}\n" for check in checks
    )  # still under the guard
    (tmp_path / "example.py").write_text(code)
    command = [sys.executable, "-W", "error", "example.py"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert found.returncode == 0, found.stderr
    assert set(found.stdout.splitlines()) == {"torch.Size([1, 128, 16, 16])"}  # once here, once a worker
    assert len(list(tmp_path.glob("runs/*/report.html"))) == 1


def test_the_readme_names_files_that_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())
    assert len(links) >= 6
    assert all((ROOT / link).exists() for link in links)


def test_one_version_everywhere():
    assert f"version: {convblocks.__version__}\n" in (ROOT / "CITATION.cff").read_text()

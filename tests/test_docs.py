"""What the documents show is what happens."""

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest
import torch

import convblocks

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("module", ["blocks.simple", "blocks.residual", "blocks.bottleneck"])
def test_examples_in_docstrings(module):
    found = doctest.testmod(import_module(f"convblocks.{module}"), extraglobs={"torch": torch})
    assert found.attempted > 0
    assert found.failed == 0


def test_the_readme_s_python_example(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names = {"__name__": "__main__"}
    exec(code, names)  # noqa: S102 - our own README
    assert capsys.readouterr().out == "torch.Size([1, 128, 16, 16])\n"
    assert not names["model"].training
    assert names["model"](torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_the_readme_names_files_that_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())
    assert len(links) >= 6
    assert all((ROOT / link).exists() for link in links)


def test_one_version_everywhere():
    assert f"version: {convblocks.__version__}\n" in (ROOT / "CITATION.cff").read_text()

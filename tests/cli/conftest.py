"""A working directory with networks in it."""

import pytest

from tests.cli.models import MODELS


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "syntax.py").write_text("import torch\ndef make(:\n    pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path

"""A user's own code as a target: files and packages."""

import sys

import pytest
import torch
from torch import nn

from convblocks import load_target
from tests.targets.refusals import refusal


@pytest.mark.parametrize(
    ("name", "kind"), [("make_model", nn.Sequential), ("Small", nn.Module), ("small", nn.Module)]
)
def test_a_function_a_class_and_a_module_of_a_file(folder, name, kind):
    path = list(sys.path)
    target = load_target(f"code/my_model.py:{name}")
    assert sys.path == path
    assert isinstance(target.module, kind)
    assert target.kind == "file"
    assert target.name == f"code/my_model.py:{name}"
    assert target.module(torch.zeros(1, 3, 5, 5)).shape == (1, 8, 3, 3)


def test_sys_path_is_restored_after_a_failure(folder):
    path = list(sys.path)
    refusal("code/my_model.py:breaks")
    assert sys.path == path


def test_each_folder_has_its_own_siblings_and_a_changed_file_is_read_anew(folder):
    (folder / "other").mkdir()
    for file in (folder / "code").glob("*.py"):
        (folder / "other" / file.name).write_text(file.read_text().replace("WIDTH = 8", "WIDTH = 11"))
    widths = [
        load_target(f"{place}/my_model.py:make_model").module[0].conv.out_channels
        for place in ("code", "other", "code")
    ]
    assert widths == [8, 11, 8]
    (folder / "code" / "sibling.py").write_text("WIDTH = 12345\n")
    assert load_target("code/my_model.py:Small").module.conv.out_channels == 12345


def test_a_package_s_module(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    (folder / "target_package").mkdir()
    (folder / "target_package" / "__init__.py").write_text("")
    (folder / "target_package" / "nets.py").write_text("from torch import nn\nmake = lambda: nn.Tanh()\n")
    (folder / "target_package" / "broken.py").write_text("x = 1\nimport not_there\n")
    target = load_target("target_package.nets:make")
    assert isinstance(target.module, nn.Tanh)
    assert target.kind == "import"
    assert "there is no Python module 'target_package.net' to import" in refusal("target_package.net:make")
    assert "there is no Python module 'target_pack' to import" in refusal("target_pack.nets:make")
    line = refusal("target_package.broken:make")
    assert "ModuleNotFoundError in " in line
    assert "broken.py, line 2: No module named 'not_there'" in line

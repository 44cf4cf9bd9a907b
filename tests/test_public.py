"""The public surface: sorted, complete, and free until it is used."""

import subprocess
import sys

import pytest

import convblocks


def test_all_names_are_sorted_and_resolve():
    assert convblocks.__all__ == sorted(convblocks.__all__)
    assert set(convblocks.__all__) == set(convblocks._HOMES)
    for name in convblocks.__all__:
        assert getattr(convblocks, name) is not None
        assert name in dir(convblocks)


def test_the_types_of_compare_and_what_networks_need_are_public():
    assert {"Watcher", "RunFolder", "load_foreign", "with_budget", "zoo"} <= set(convblocks.__all__)
    assert convblocks.zoo.resnet18(classes=4).classes == 4
    assert convblocks.compare.__annotations__["return"] is convblocks.RunFolder


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'conv'"):
        _ = convblocks.conv


@pytest.mark.parametrize(
    "statement", ["import convblocks", "import convblocks.cli", "import convblocks.report.html"]
)
def test_torch_is_not_imported_before_it_is_needed(statement):
    code = f"{statement}; import sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

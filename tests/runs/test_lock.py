"""Locks, and what works on a system without them."""

import subprocess
import sys
from pathlib import Path

import convblocks

SOURCE = Path(convblocks.__file__).parent
NO_FCNTL = """
import sys
sys.modules["fcntl"] = None  # so that importing it fails, as on Windows
from pathlib import Path
from convblocks import load, load_target
from convblocks.errors import RunError
from convblocks.runs.store import RunFolder

print(load_target("zoo:resnet50").channels)
try:
    with RunFolder(sys.argv[1]).locked():
        print("locked")
except RunError as error:
    print(error)
"""


def test_one_module_imports_fcntl():
    importing = [path.name for path in SOURCE.rglob("*.py") if "import fcntl" in path.read_text()]
    assert importing == ["lock.py"]


def test_targets_load_without_fcntl_and_a_compare_is_refused(tmp_path):
    command = [sys.executable, "-c", NO_FCNTL, str(tmp_path / "run")]
    channels, refusal = subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert channels == "3"
    assert "fcntl, which this system lacks" in refusal

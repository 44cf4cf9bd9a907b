"""`convblocks report` starts at once: it never imports torch."""

import subprocess
import sys

from msgspec.structs import replace

from convblocks.runs.store import RunFolder
from tests.made_records import make_design, make_latency, make_run, make_study

WITHOUT_TORCH = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise AssertionError("torch is imported")

sys.meta_path.insert(0, NoTorch())
from convblocks.cli.app import run

sys.exit(run(["report", sys.argv[1]]))
"""


def test_the_report_is_written_without_torch(tmp_path):
    study = make_study()
    folder = RunFolder(tmp_path)
    folder.save_study(replace(study, recipe={**study.recipe, "epochs": 2}))
    designs = [make_design(name) for name in "ab"]
    folder.save_designs(designs)
    for design in designs:
        for seed in study.seeds:
            folder.add_run(make_run(design, seed, 0.9))
    folder.save_latencies([make_latency(design, 1.0) for design in designs])
    command = [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=None)
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "report.html").exists()

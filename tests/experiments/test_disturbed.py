"""What happens to a compare from outside: kills, Ctrl-C, a script without its guard."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from safetensors import safe_open

from convblocks.runs.store import RunFolder
from tests.compared import finish, result, start

DRIVER = """
import sys
from convblocks import Recipe, compare
GRIDS = {
    "all": dict(depths=(4, 8), block_depths=(1, 2, 4), stages=2, budget=400_000),
    "few": dict(depths=4, families=("simple", "residual"), block_depths=(1, 2), stages=1, budget=60_000),
}
if __name__ == "__main__":
    compare(sys.argv[1], seeds=2, recipe=Recipe(epochs=int(sys.argv[3])), out=sys.argv[2], checkpoint_every_s=0,
            **GRIDS[sys.argv[4]])
"""


def driver(folder, data, out, epochs, grid="all"):
    """The command that compares with a checkpoint after every epoch."""
    (folder / "driver.py").write_text(DRIVER)
    return [sys.executable, str(folder / "driver.py"), str(data), str(out), str(epochs), grid]


def unfinished_checkpoints(out):
    """Epoch times in the checkpoints of runs that are not finished: {(design, seed): (seconds, …)}."""
    finished = {(run.design, run.seed) for run in RunFolder(out).runs()}
    found = {}
    for path in (out / "checkpoints").glob("*/[0-9].safetensors"):
        with safe_open(path, "pt") as file:
            progress = json.loads(file.metadata()["progress"])
        found[path.parent.name, int(path.stem)] = tuple(progress["epoch_s"])
    return {key: epoch_s for key, epoch_s in found.items() if key not in finished and len(epoch_s) < 3}


def finished_lines(out):
    """Whole lines of runs.jsonl."""
    content = (out / "runs.jsonl").read_bytes() if (out / "runs.jsonl").exists() else b""
    return content[: content.rfind(b"\n") + 1].splitlines()


def wait_for(process, since, *places):
    """Until a file that one of the patterns names is newer than `since`, or the process has ended."""
    while process.poll() is None:
        files = [path for place, pattern in places for path in place.glob(pattern)]
        with suppress(FileNotFoundError):
            if any(path.stat().st_mtime > since for path in files):
                return
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_forty_kills_at_random_moments_lose_and_repeat_nothing(few_digits, tmp_path):
    """By turns after the start of Python, of the workers, and of their trainings; a study that ends begins anew."""
    epochs, moments, kept, kills, ended = 20, random.Random(1), [], 0, 0
    expected, out = tmp_path / "undisturbed", tmp_path / "run-0"
    subprocess.run(driver(tmp_path, few_digits, expected, epochs, "few"), check=True)
    while kills < 40 or not ended:
        since = time.time()
        with subprocess.Popen(driver(tmp_path, few_digits, out, epochs, "few")) as process:
            if kills % 3 == 1:
                wait_for(process, since, (out, ".examples/test-y.npy"))
            elif kills % 3 == 2:
                wait_for(process, since, (out, "checkpoints/*/*"), (out, "runs.jsonl"))
            with suppress(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0, 3) if kills < 40 else None)
            if process.poll() is None:
                process.kill()
                kills += 1
        lines = finished_lines(out)
        assert lines[: len(kept)] == kept
        kept = lines
        if process.returncode == 0:
            assert len(lines) == 6
            assert result(out) == result(expected)
            ended += 1
            kept, out = [], tmp_path / f"run-{ended}"
        else:
            assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("kills", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_again_and_again_it_goes_on_inside_its_runs(undisturbed, few_digits, tmp_path, kills):
    """Half the kills at random moments, half as soon as a run has a checkpoint and is not finished."""
    out, moments, kept = tmp_path / "run", random.Random(0), []
    command = driver(tmp_path, few_digits, out, epochs=3)
    for kill in range(kills):
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            known = {(key, times) for before in kept for key, times in before.items()}
            end = time.monotonic() + (moments.uniform(1, 6) if kill % 2 else 300)
            while process.poll() is None and time.monotonic() < end:
                if kill % 2 == 0 and set(unfinished_checkpoints(out).items()) - known:
                    break
                time.sleep(0.01)
            process.kill()
        kept.append(unfinished_checkpoints(out))
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert all(kept[::2])
    spent = {(run.design, run.seed): run.timing.epoch_s for run in RunFolder(out).runs()}
    for (design, seed), epoch_s in [item for checkpoints in kept for item in checkpoints.items()]:
        assert spent[design, seed][: len(epoch_s)] == epoch_s  # no clock reads the same twice: it was resumed
    lines = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    assert len(lines) == 16
    assert len({(line["design"], line["seed"]) for line in lines}) == 16
    assert result(out) == result(undisturbed[0])
    assert not (out / ".examples").exists()


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        pytest.param(signal.SIGTERM, 143, "terminated", marks=pytest.mark.slow),
    ],
)
def test_a_stop_leaves_a_valid_report_and_the_same_command_goes_on(
    undisturbed, few_digits, tmp_path, number, status, word
):
    """Ctrl-C, or SIGTERM as a batch system sends it."""
    out = tmp_path / "run"
    process = start(few_digits, out)
    while not finished_lines(out):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == status
    assert "Traceback" not in errors
    assert f"convblocks: {word}; what is finished is kept, and the same command goes on" in errors
    kept = finished_lines(out)
    assert 0 < len(RunFolder(out).runs()) < 16
    assert "<html" in (out / "report.html").read_text()
    assert RunFolder(out).summary().rows
    finish(few_digits, out)
    assert finished_lines(out)[: len(kept)] == kept
    assert result(out) == result(undisturbed[0])


@pytest.mark.parametrize(
    ("delay", "number"),
    [
        (0, signal.SIGINT),
        (1, signal.SIGTERM),
        *(
            pytest.param(delay, number, marks=pytest.mark.slow)
            for delay in (0.03, 0.3, 1)
            for number in (signal.SIGINT, signal.SIGTERM)
        ),
    ],
)
def test_a_stop_while_workers_start_is_one_line(few_digits, tmp_path, delay, number):
    """As a terminal or a batch system sends it: to the workers, too."""
    out = tmp_path / "run"
    process = start(few_digits, out, start_new_session=True)
    while not (out / ".examples" / "test-y.npy").exists():  # written last before the workers start
        assert process.poll() is None
        time.sleep(0.001)
    time.sleep(delay)
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=300)
    status, word = (130, "interrupted") if number == signal.SIGINT else (143, "terminated")
    assert process.returncode == status
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith(f"convblocks: {word}")
    assert not (out / ".examples").exists()


def workers_of(pid):
    """Processes that multiprocessing spawned from `pid` to work, as /proc tells."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = status.read_text().partition("\nPPid:")[2].split()[0]
            command = (status.parent / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue  # it has ended
        if parent == str(pid) and b"multiprocessing.spawn" in command:
            found.append(status.parent)
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="/proc tells the workers")
def test_workers_of_a_killed_compare_are_gone_at_once(few_digits, tmp_path):
    with subprocess.Popen(driver(tmp_path, few_digits, tmp_path / "run", epochs=1000)) as process:
        while not (tmp_path / "run" / "checkpoints").exists():  # until a worker is at work
            assert process.poll() is None
            time.sleep(0.05)
        workers = workers_of(process.pid)
        assert workers
        process.kill()
    end = time.monotonic() + 10
    while any(worker.exists() for worker in workers):
        assert time.monotonic() < end, "a worker lives on without its parent"
        time.sleep(0.05)


def test_a_script_without_a_guard_is_told_so_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import convblocks\n"
        "convblocks.compare(depths=2, families='simple', stages=1, match='none', workers=2, out='run')\n"
    )
    found = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False
    )
    assert found.returncode == 1
    assert found.stderr.count("Traceback") == 1  # the script's own
    assert found.stderr.count('put the call under: if __name__ == "__main__":') == 1
    assert found.stderr.splitlines()[-1].startswith(
        "convblocks.errors.RunError: convblocks was called without"
    )
    assert not (tmp_path / "run" / "runs.jsonl").exists()


@pytest.mark.parametrize("how", ["python -", "python <(cat script.py)"])
def test_a_script_that_is_no_file_is_told_so(how, tmp_path):
    """Workers could not import it, which ended in words on memory."""
    (tmp_path / "script.py").write_text(
        "import convblocks\n"
        "if __name__ == '__main__':\n"
        "    convblocks.compare(depths=2, families='simple', stages=1, match='none', out='run')\n"
    )
    line = how.replace("python", f'"{sys.executable}"') + " < script.py"
    found = subprocess.run(
        ["/bin/bash", "-c", line], capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False
    )
    assert found.returncode == 1
    last = found.stderr.splitlines()[-1]
    assert "convblocks was called from a script that is no file" in last
    assert "save it as a .py file" in last
    assert not (tmp_path / "run").exists()

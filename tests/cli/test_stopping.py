"""Ctrl-C and SIGTERM at any moment of a command: one line and the status that shells expect."""

import signal
import subprocess
import sys

import pytest

from convblocks.cli import main
from convblocks.cli.progress import ProgressWatcher

SENT_WHILE_IMPORTING = """
import signal, sys
for number in {ignored}:
    signal.signal(number, signal.SIG_IGN)
class Sends:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            try:
                signal.raise_signal({number})
            except KeyboardInterrupt:
                if not {swallowed}:
                    raise
                raise ImportError("as a compiled extension makes of it") from None
from convblocks.cli import main
sys.meta_path.insert(0, Sends())
sys.argv[1:] = {arguments!r}
main()
"""


def run(module, number=signal.SIGINT, *, ignored=(), swallowed=False, arguments=("compare", "--help")):
    program = SENT_WHILE_IMPORTING.format(
        module=module,
        number=int(number),
        ignored=[int(each) for each in ignored],
        swallowed=swallowed,
        arguments=list(arguments),
    )
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "module",
    ["convblocks.cli.app", "cyclopts", "rich.console", "convblocks.cli.compare", "convblocks.text"],
)
def test_ctrl_c_during_imports_is_one_line(module):
    found = run(module)
    assert found.returncode == 130
    assert found.stdout == ""
    assert found.stderr == "convblocks: interrupted before anything was trained\n"


def test_ctrl_c_that_a_library_turns_into_an_import_error_is_still_told_as_one():
    found = run("cyclopts", swallowed=True, arguments=["analyze", "--help"])
    assert (found.returncode, found.stderr) == (130, "convblocks: interrupted\n")


def test_sigterm_ends_a_command_likewise():
    found = run("cyclopts", signal.SIGTERM)
    assert found.returncode == 143
    assert found.stderr == "convblocks: terminated before anything was trained\n"


def test_ctrl_c_that_is_ignored_at_the_start_stays_ignored_and_sigterm_ends_it():
    """As a script's & leaves it."""
    found = run("cyclopts", ignored=[signal.SIGINT])
    assert (found.returncode, found.stderr) == (0, "")
    assert "Usage: convblocks compare" in found.stdout
    assert run("cyclopts", signal.SIGTERM, ignored=[signal.SIGINT]).returncode == 143


def test_the_handlers_of_a_caller_are_put_back(capsys):
    from convblocks.cli import main

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    main(["--version"])
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


class Interrupts(ProgressWatcher):
    def on_run(self, design, run):
        super().on_run(design, run)
        raise KeyboardInterrupt


def test_ctrl_c_after_a_run_says_that_it_is_kept(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("convblocks.cli.progress.ProgressWatcher", Interrupts)
    grid = "digits --families simple --depth 2 --block-depths 2 --seeds 1 --epochs 1 --budget 50k"
    with pytest.raises(SystemExit) as stopped:
        main(["compare", *grid.split(), "--out", str(tmp_path / "run")])
    assert stopped.value.code == 130
    last = capsys.readouterr().err.splitlines()[-1]
    assert (
        last == "convblocks: interrupted; what is finished is kept, and the same command goes on from there"
    )

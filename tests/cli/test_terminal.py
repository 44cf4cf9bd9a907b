"""What a command prints: safe for any terminal, in any encoding, to any stream."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

import convblocks.cli
from convblocks.cli import main
from convblocks.cli.terminal import SafeConsole
from convblocks.text import readable
from tests.test_text import HOSTILE

CLI = [sys.executable, "-m", "convblocks"]


def shell(line, tmp_path, **environment):
    """A line of sh, where "$@" is the command."""
    return subprocess.run(
        ["/bin/sh", "-c", line, "sh", *CLI],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_way_of_printing_lets_control_characters_through(text):
    def printed(renderable):
        console = SafeConsole()
        console.file = StringIO()
        console.print(renderable)
        return console.file.getvalue()

    table = Table()
    table.add_column(text)
    table.add_row(Text(text, style="bold"))
    for renderable in (text, Text(text), Text.assemble((text, "red")), table):
        assert all(letter.isprintable() or letter == "\n" for letter in printed(renderable))


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "cp1252"},
    ],
    ids=["ascii", "latin-1", "C locale", "cp1252"],
)
@pytest.mark.parametrize("arguments", ["compare --help", "analyze --nonsense Größe"])
def test_every_encoding_gets_the_words(arguments, environment, tmp_path):
    found = shell(f'"$@" {arguments}', tmp_path, **environment)
    assert b"Traceback" not in found.stderr
    if found.returncode == 0:
        assert b"of the k" in found.stdout  # k×k
        assert b"convolutions" in found.stdout
    else:
        assert found.returncode == 2
        assert found.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ('"$@" --help >&-', 0, 0),
        ('"$@" --help 2>&-', 0, 0),
        ('"$@" --help <&- >&- 2>&-', 0, 0),
        ('"$@" analyze x --depth 0 2>&-', 2, 0),
        ('"$@" analyze x --depth 0 2>/dev/full', 2, 0),
        ('"$@" --help >/dev/full', 2, 1),
        ('"$@" compare --help >/dev/full 2>/dev/full', 2, 0),
        ('{ "$@" --help; echo $? >&2; } | true', 0, 1),
    ],
)
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_closed_and_full_streams_end_in_a_status_not_a_traceback(line, status, said, tmp_path):
    found = shell(line, tmp_path)
    assert found.returncode == status, found
    assert b"Traceback" not in found.stderr
    assert b"Exception" not in found.stderr
    assert found.stderr.count(b"\n") == said


def test_a_reader_that_leaves_early_is_told_nothing(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    found = subprocess.run([*CLI, "--help"], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (found.returncode, found.stderr) == (141, b"")


def test_closed_streams_are_not_taken_by_files(tmp_path):
    """A library that prints to stdout would write into the first file that the command opens."""
    program = (
        "import os; from convblocks.cli.terminal import open_streams; open_streams(); print(os.open('f', 66))"
    )
    found = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" <&- 2>&-', sys.executable, program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert int(found.stdout) > 2


@pytest.mark.parametrize("arguments", ["--help", "--version", "compare --help", "analyze gone --depth 0"])
def test_a_working_directory_that_is_gone(arguments, tmp_path):
    line = f'mkdir gone; cd gone; rmdir ../gone; "$@" {arguments}'
    found = shell(line, tmp_path)
    assert found.returncode == (2 if "gone" in arguments.split() else 0), found
    assert b"Traceback" not in found.stderr
    assert found.stderr.count(b"\n") <= 1


@pytest.mark.parametrize("name", [b"caf\xe9", b"\xff\xfe", "a\x1b[31m\u202eb".encode(), b"two\nlines"])
@pytest.mark.parametrize("arguments", ["", "compare --depth", "analyze x --memory", "report x"])
def test_names_of_any_bytes_are_refused_in_one_line_without_steering(arguments, name):
    command = [*map(os.fsencode, [*CLI, *arguments.split()]), name]
    found = subprocess.run(command, capture_output=True, check=False)
    assert found.returncode == 2
    line = found.stderr.decode()
    assert line.count("\n") == 1
    assert line.rstrip("\n").isprintable()


NAMED = """
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.add_module({name!r}, nn.Conv2d(3, 4, 3))
    def forward(self, x):
        return getattr(self, {name!r})(x)
"""


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_names_of_layers_are_data_in_json_and_refused_in_code(text, tmp_path, monkeypatch, capsys):
    """They reached the terminal as they are, or ended in a fault of ours."""
    (tmp_path / "net.py").write_text(NAMED.format(name=text))
    monkeypatch.chdir(tmp_path)
    for command in ("analyze", "advise"):
        main([command, "net.py:Net", "--input", "3x8x8", "--json"])
        printed = capsys.readouterr().out
        assert printed.rstrip("\n").isprintable()
        assert readable(text) in str(json.loads(printed)) or repr(readable(text))[1:-1] in str(
            json.loads(printed)
        )
    with pytest.raises(SystemExit):
        main(["code", "net.py:Net", "--input", "3x8x8"])
    assert "has characters that cannot be shown; rename it" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["analyze", "signal", "draw", "advise --all-places"])
def test_a_name_with_a_line_break_stays_on_its_row(command, tmp_path, monkeypatch, capsys):
    """It could fake a row of a table."""
    module = (
        NAMED.format(name="conv\nFake")
        .replace("class Net", "class Net_")
        .replace("padding=1", "padding=1, bias=True")
    )
    (tmp_path / "net.py").write_text(f"{module}\nNet = type('Net\\nFake', (Net_,), {{}})\n")
    monkeypatch.chdir(tmp_path)
    main([*command.split(), "net.py:Net", "--input", "3x8x8"])
    printed = capsys.readouterr().out
    assert not any(line.strip().startswith("Fake") for line in printed.splitlines())


@pytest.mark.parametrize("name", [b"m\xe9.py", b"\xff\xfe.py"])
@pytest.mark.parametrize("command", ["code", "analyze"])
def test_files_of_any_name_are_targets(command, name, tmp_path):
    text = NAMED.format(name="conv").encode()
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:  # noqa: PTH118, PTH123
        file.write(text)
    arguments = [*map(os.fsencode, [*CLI, command]), name + b":Net", b"--input", b"3x8x8"]
    found = subprocess.run(arguments, capture_output=True, cwd=tmp_path, check=False)
    assert (found.returncode, found.stderr) == (0, b"")
    assert found.stdout.decode().replace("\n", "").isprintable() or command == "analyze"


def test_only_the_terminal_module_writes():
    """So that there is one place to escape, and one to test."""
    for file in Path(convblocks.cli.__file__).parent.glob("*.py"):
        text = file.read_text()
        if file.name != "terminal.py":
            assert "sys.stdout.write" not in text, file
            assert "rich.console import Console" not in text, file
            assert "print(*" not in text, file

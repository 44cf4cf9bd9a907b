"""The one line that a command prints for the exception that ended it."""

import os
import sys
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path

from cyclopts import CycloptsError, UnusedCliTokensError

from convblocks.errors import ConvblocksError, Setting

DEBUG = "CONVBLOCKS_DEBUG"
OURS = str(Path(__file__).parents[1])
PYTHON = ("<", sysconfig.get_path("stdlib"))


def message(error: BaseException, spell: Callable[[Setting], str]) -> str:
    """Returns the error as a line for the terminal; `spell` writes the arguments that it names."""
    if os.environ.get(DEBUG, "0") != "0":
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, CycloptsError) and isinstance(error.__cause__, ConvblocksError):
        # raised by a converter of ours
        error = error.__cause__
    if isinstance(error, ConvblocksError):
        return error.render(spell)
    # such as a folder without permission
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename} cannot be read or written: {error.strerror or error}"
    # such as a full disk
    if isinstance(error, OSError) and error.errno is not None:
        return f"the output, or a file, cannot be written: {error.strerror}"
    if isinstance(error, CycloptsError):
        return _usage(error)
    return _unexpected(error)


def _usage(error: CycloptsError) -> str:
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"unexpected argument {error.unused_tokens[0]!r}. See convblocks --help."
    text = str(error).strip().rstrip(".")
    return f"{text}{'' if text.endswith('?') else '.'} See convblocks --help."


def _unexpected(error: BaseException) -> str:
    """Returns the line for an error of the user's code, with its place there, or for a fault of our own."""
    if isinstance(error, MemoryError):
        return "there is not enough memory; give less at a time, or a smaller network"
    problem = ": ".join(filter(None, (type(error).__name__, _text(error))))
    frames = traceback.extract_tb(error.__traceback__)
    ours = [i for i, frame in enumerate(frames) if frame.filename.startswith(OURS)]
    called = frames[ours[0] :] if ours else []
    users = [f for f in called if not (f.filename.startswith((OURS, *PYTHON)) or "-packages" in f.filename)]
    if users:
        return f"{problem} in {users[-1].filename}, line {users[-1].lineno}"
    place = f" at {frames[ours[-1]].filename}, line {frames[ours[-1]].lineno}" if ours else ""
    return (
        f"unexpected {problem}{place}; this is a fault of convblocks, please report it ({DEBUG}=1 shows more)"
    )


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a class of the user's own
        return ""

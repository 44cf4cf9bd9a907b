"""What a command says, in one line, of an exception that ended it."""

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
OTHERS = ("<", sysconfig.get_path("stdlib"))


def message(error: BaseException, spell: Callable[[Setting], str]) -> str:
    """The error as someone at a command line reads it; `spell` writes the arguments that it names."""
    if os.environ.get(DEBUG, "0") != "0":
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, CycloptsError) and isinstance(error.__cause__, ConvblocksError):
        error = error.__cause__  # of a converter of ours
    if isinstance(error, ConvblocksError):
        return error.render(spell)
    if isinstance(error, OSError) and error.filename is not None:  # a folder without permission
        return f"{error.filename} cannot be read or written: {error.strerror or error}"
    if isinstance(error, OSError) and error.errno is not None:  # a full disk
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
    """Of the user's code with the place in it, else a fault of our own."""
    if isinstance(error, MemoryError):
        return "there is not enough memory; give less at a time, or a smaller network"
    what = ": ".join(filter(None, (type(error).__name__, _text(error))))
    frames = traceback.extract_tb(error.__traceback__)
    ours = [i for i, frame in enumerate(frames) if frame.filename.startswith(OURS)]
    called = frames[ours[0] :] if ours else []
    users = [f for f in called if not (f.filename.startswith((OURS, *OTHERS)) or "-packages" in f.filename)]
    if users:
        return f"{what} in {users[-1].filename}, line {users[-1].lineno}"
    place = f" at {frames[ours[-1]].filename}, line {frames[ours[-1]].lineno}" if ours else ""
    return f"unexpected {what}{place}; this is a fault of convblocks, please report it ({DEBUG}=1 shows more)"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a class of the user's own
        return ""

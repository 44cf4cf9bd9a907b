"""The script that calls compare or search, which each worker process imports as it starts."""

import multiprocessing
import os
import sys
from pathlib import Path

from convblocks.errors import RunError
from convblocks.text import shown

UNGUARDED = (
    "convblocks was called without a guard, so that each worker process, which imports the script, would call it too; "
    'put the call under: if __name__ == "__main__":'
)
NO_FILE = (
    "convblocks was called from a script that is no file, {}, and its worker processes have to import the script: save "
    "it as a .py file and run that"
)
UNGUARDED_STATUS = 79
"""A worker's exit status, unlike any of Python's own."""


def leave_if_imported() -> None:
    """Ends a worker that comes here while it imports the caller's script: it would start workers without end."""
    importing = getattr(
        multiprocessing.current_process(), "_inheriting", False
    )  # multiprocessing's own check
    if importing:
        if "CONVBLOCKS_WORKER" in os.environ:
            sys.exit(UNGUARDED_STATUS)  # without a word: the parent says it once
        raise RunError(UNGUARDED)


def require_script() -> None:
    """Raises RunError where workers could not import the caller's script: it came through standard input or a pipe.

    An interactive session and ``python -c`` have no script, and workers need none.
    """
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is not None and getattr(main, "__spec__", None) is None and not Path(file).is_file():
        raise RunError(NO_FILE.format("standard input" if file == "<stdin>" else shown(file)))

"""The command line: parse, call the API, print.

This file imports little, so that Ctrl-C is handled from the start, also while the rest is imported.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress

from convblocks.cli.stopping import Stop, stoppable

# the end of the message of an interrupted compare, unless the interrupt carries one of its own
UNTRAINED = " before anything was trained"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; an error is one line on stderr and an exit status: 2, 130 for Ctrl-C, 143 for SIGTERM.

    Args:
        arguments: the command and its arguments; those of the process if not given.
    """
    given = sys.argv[1:] if arguments is None else arguments
    with stoppable(to_the_end=arguments is None) as stop:
        status = _status(given, stop)
        stop.too_late = True
    if status:
        sys.exit(status)


def _status(arguments: Sequence[str], stop: Stop) -> int:
    try:
        from convblocks.cli.app import run

        return run(arguments)
    except BaseException as error:
        so_far = "" if arguments[:1] != ["compare"] else _kept(error) or UNTRAINED
        if not stop.number and not isinstance(error, KeyboardInterrupt):
            raise
    # whatever the interrupt became on its way, as an ImportError in a library's start
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"convblocks: {stop.word}{so_far}\n")
    return stop.status


def _kept(error: BaseException) -> str:
    """Returns what an interrupt says of the results that are kept; empty if it says nothing."""
    return "".join(map(str, error.args)) if isinstance(error, KeyboardInterrupt) else ""

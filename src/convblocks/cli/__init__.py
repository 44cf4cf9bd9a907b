"""The command line: parse, call the API, print.

This file imports little, so that Ctrl-C is handled from the start, also while the rest is imported.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress

from convblocks.cli.stopping import Stop, stoppable

UNTRAINED = " before anything was trained"
"""What an interrupt of a compare says, unless it carries a message of its own."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. What ends it early is one line on stderr and an exit status: 2, or 130 for Ctrl-C."""
    words = sys.argv[1:] if arguments is None else arguments
    with stoppable(to_the_end=arguments is None) as stop:
        status = _status(words, stop)
        stop.too_late = True
    if status:
        sys.exit(status)


def _status(words: Sequence[str], stop: Stop) -> int:
    try:
        from convblocks.cli.app import run

        return run(words)
    except BaseException as error:
        so_far = "" if words[:1] != ["compare"] else _kept(error) or UNTRAINED
        if not stop.number and not isinstance(error, KeyboardInterrupt):
            raise
    # whatever the interrupt became on its way, as an ImportError in a library's start
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"convblocks: {stop.word}{so_far}\n")
    return stop.status


def _kept(error: BaseException) -> str:
    return "".join(map(str, error.args)) if isinstance(error, KeyboardInterrupt) else ""

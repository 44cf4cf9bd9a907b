"""The one way out to the terminal: everything that a command prints passes here.

Text from outside cannot steer the terminal; what its encoding lacks is written in other signs; and a stream that is
closed or full ends in a message, not in a traceback.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from io import TextIOWrapper
from typing import Any

import msgspec
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from convblocks.text import READABLE, UNSAFE, escaped, one_line, readable, safe_json, with_texts


class SafeConsole(Console):
    """A rich console that escapes what is not safe to show, wherever in a table or paragraph it stands."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False):
        super().__init__(stderr=stderr, soft_wrap=soft_wrap, highlight=False, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Renders a string with its unsafe characters as escapes."""
        # before it is measured, so that columns fit
        return super().render_str(escaped(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Renders anything with its unsafe characters as escapes."""
        for segment in super().render(renderable, options):
            safe = segment.control or not UNSAFE.search(segment.text)
            yield segment if safe else segment._replace(text=escaped(segment.text))

    def on_broken_pipe(self) -> None:
        """Raises BrokenPipeError, where rich would end the process with status 1."""
        raise BrokenPipeError


def write(text: str) -> None:
    """Writes lines for people to stdout."""
    sys.stdout.write(escaped(text))


def write_file(text: str) -> None:
    """Writes the content of a file, such as JSON or Python, to stdout: in UTF-8, whatever the terminal's encoding."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.flush()
        sys.stdout.reconfigure(encoding="utf-8", errors=READABLE)
    sys.stdout.write(text)


def write_json(value: object) -> None:
    """Writes a record to stdout as JSON; bytes in names that are no text are escaped."""
    record = with_texts(msgspec.to_builtins(value), readable)
    write_file(safe_json(msgspec.json.encode(record).decode()) + "\n")


def say(message: str) -> None:
    """Writes one line of ours to stderr; where nobody can read it, the exit status has to do."""
    with suppress(OSError):
        SafeConsole(stderr=True, soft_wrap=True).print(f"convblocks: {one_line(message)}")


def open_streams() -> None:
    """Makes stdout and stderr fit to be written, whatever state and encoding the command was started with.

    Where a shell closed one (>&-), it leads to nowhere: else a file of ours would take its number, and what a
    library prints would end in it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # open takes the lowest number that is free
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(nowhere, True)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in _streams():
        stream.reconfigure(errors=READABLE)


def close_streams() -> OSError | None:
    """Writes out what is buffered, so that Python writes nothing more at its end; returns the error if that failed."""
    failure = None
    for stream in _streams():
        try:
            stream.flush()
        except OSError as error:
            failure = error
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)
    return failure


def _streams() -> Iterator[TextIOWrapper]:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not stream.closed:
            yield stream

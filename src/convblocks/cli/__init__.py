"""The command line: parse, call the API, print. Nothing here imports torch before a command runs."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, CycloptsError, UnusedCliTokensError
from rich.console import Console

from convblocks import __version__
from convblocks.cli.advise import advise
from convblocks.cli.analyze import analyze
from convblocks.cli.code import code
from convblocks.cli.compare import compare, report
from convblocks.cli.draw import draw
from convblocks.cli.parse import flag
from convblocks.cli.signal import probe, signal
from convblocks.errors import ConvblocksError

app = App(
    name="convblocks",
    help="How should a stack of D convolution layers be implemented? Train, compare and choose on your own data.",
    help_format="plaintext",
    version=__version__,
    suppress_keyboard_interrupt=False,  # main says what is kept
)
app.command(compare, usage="Usage: convblocks compare [DATA] [OPTIONS]")
app.command(report)
app.command(advise, usage="Usage: convblocks advise [OPTIONS] TARGET")
app.command(analyze)
app.command(code)
app.command(signal)
app.command(probe)
app.command(draw)

REFUSED = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; anything the user can mend is one line on stderr and exit status 2."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(
            here
        )  # so that a family of one's own, my_blocks:MyBlock, is found, and shadows nothing
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, ConvblocksError, OSError) as error:
        errors.print(f"convblocks: {' '.join(_told(error).split())}")
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        errors.print(
            "convblocks: interrupted; what is finished is kept, and the same command goes on from there"
        )
        sys.exit(INTERRUPTED)


def _told(error: Exception) -> str:
    """The error as someone at a command line reads it."""
    if isinstance(error, CycloptsError) and isinstance(error.__cause__, ConvblocksError):
        error = error.__cause__  # of a converter of ours
    if isinstance(error, ConvblocksError):
        return error.told(flag)
    if isinstance(error, OSError):  # a full disk, a folder without permission
        return f"{error.filename or 'a file'} cannot be read or written: {error.strerror or error}"
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"unexpected argument {error.unused_tokens[0]!r}. See convblocks --help."
    text = str(error).strip().rstrip(".")
    return f"{text}{'' if text.endswith('?') else '.'} See convblocks --help."

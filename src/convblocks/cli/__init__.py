"""The command line: parse, call the API, print. Nothing here imports torch before a command runs."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App, CycloptsError
from rich.console import Console

from convblocks import __version__
from convblocks.cli.compare import compare, report
from convblocks.cli.signal import probe, signal
from convblocks.errors import ConvblocksError

app = App(
    name="convblocks",
    help="How should a stack of D convolution layers be implemented? Train, compare and choose on your own data.",
    help_format="plaintext",
    version=__version__,
    suppress_keyboard_interrupt=False,  # main says what is kept
)
app.command(compare)
app.command(report)
app.command(signal)
app.command(probe)

REFUSED = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; anything the user can mend is one line on stderr and exit status 2."""
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(
            here
        )  # so that a family of one's own, my_blocks:MyBlock, is found, and shadows nothing
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        first = " ".join(str(error).split())
        errors.print(f"convblocks: {first.rstrip('.')}. See convblocks --help.")
        sys.exit(REFUSED)
    except ConvblocksError as error:
        errors.print(f"convblocks: {' '.join(str(error).split())}")
        sys.exit(REFUSED)
    except OSError as error:  # a full disk, a folder without permission
        errors.print(f"convblocks: {error}")
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        errors.print(
            "convblocks: interrupted; what is finished is kept, and the same command goes on from there"
        )
        sys.exit(INTERRUPTED)

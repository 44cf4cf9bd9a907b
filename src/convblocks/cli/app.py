"""The commands, and how their errors end them. Nothing here imports torch before a command runs."""

import signal
from collections.abc import Sequence

from cyclopts import App

from convblocks import __version__
from convblocks.cli.advise import advise
from convblocks.cli.analyze import analyze
from convblocks.cli.code import code
from convblocks.cli.compare import compare, report
from convblocks.cli.draw import draw
from convblocks.cli.parse import flag, flag_name
from convblocks.cli.refusal import message
from convblocks.cli.signal import probe
from convblocks.cli.signal import signal as signal_command
from convblocks.cli.terminal import SafeConsole, close_streams, open_streams, say
from convblocks.errors import Setting

app = App(
    name="convblocks",
    help="How should a stack of D convolution layers be implemented? Train, compare and choose on your own data.",
    help_format="plaintext",
    version=__version__,
    # main says what is kept
    suppress_keyboard_interrupt=False,
)
app.command(compare, usage="Usage: convblocks compare [DATA] [OPTIONS]")
app.command(report)
app.command(advise, usage="Usage: convblocks advise [OPTIONS] TARGET")
app.command(analyze)
app.command(code)
app.command(signal_command)
app.command(probe)
app.command(draw)

REFUSED = 2
PIPE_CLOSED = 128 + signal.SIGPIPE


def run(arguments: Sequence[str]) -> int:
    """Runs a command and returns its exit status; any exception but KeyboardInterrupt is one line on stderr."""
    open_streams()
    try:
        status = _run(arguments)
    except BrokenPipeError as error:  # the reader has left, as `| head` does
        close_streams()
        return _failed(error, arguments)
    failure = close_streams()
    return _failed(failure, arguments) if failure and not status else status


def _run(arguments: Sequence[str]) -> int:
    try:
        result = app(
            arguments,
            console=SafeConsole(),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except (KeyboardInterrupt, BrokenPipeError):
        raise
    except BaseException as error:  # a user's block may raise anything, SystemExit too
        return _failed(error, arguments)
    return result if isinstance(result, int) else 0


def _failed(error: BaseException, arguments: Sequence[str]) -> int:
    """Prints the error's line, and returns the exit status."""
    if isinstance(error, BrokenPipeError):
        return PIPE_CLOSED
    say(message(error, lambda setting: spelled(setting, arguments[0] if arguments else "")))
    return REFUSED


def spelled(setting: Setting, command: str) -> str:
    """Returns an argument as a user of `command` can give it: by its flag, by another command's, or else as in Python.

    >>> spelled(Setting("skip_broken", True), "compare"), spelled(Setting("skip_broken", True), "signal")
    ('--skip-broken', 'convblocks compare --skip-broken')
    >>> spelled(Setting("memory_bytes"), "analyze"), spelled(Setting("layer", "stem"), "signal")
    ('--memory', "layer='stem'")
    """
    name = flag_name(setting.option)
    commands = [each for each in app if not each.startswith("-")]
    # the options of blocks, which are as many as there are families, are flags of code
    if command == "code" or (command in commands and name in flags_of(command)):
        return flag(setting)
    owners = [each for each in commands if name in flags_of(each)]
    return f"convblocks {owners[0]} {flag(setting)}" if owners else str(setting)


def flags_of(command: str) -> set[str]:
    """Returns the flags in a command's help."""
    return {name for argument in app[command].assemble_argument_collection() for name in argument.names}

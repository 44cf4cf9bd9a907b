"""Ctrl-C and SIGTERM end a command by an exception, so that what is finished is kept."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

DEFAULTS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Stop:
    """The signal that ends a command.

    Attributes:
        number: of the signal; 0 if none came.
        too_late: true once the command has ended, and there is nothing left to interrupt.
    """

    number: int = 0
    too_late = False

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Raises KeyboardInterrupt, unless it is too late."""
        if not self.too_late:
            self.number = number
            raise KeyboardInterrupt

    @property
    def word(self) -> str:
        """The way in which the command ended, in one word."""
        return "terminated" if self.number == signal.SIGTERM else "interrupted"

    @property
    def status(self) -> int:
        """The exit status by a shell's convention: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self.number or signal.SIGINT)


@contextmanager
def stoppable(*, to_the_end: bool) -> Iterator[Stop]:
    """Handles Ctrl-C and SIGTERM, also afterwards if the process ends with the command.

    One that is ignored when the command starts stays ignored, as nohup does it for SIGHUP: a script ignores Ctrl-C
    for what it starts by ``&``, and who presses it means another command. SIGTERM ends that one, too.
    """
    stop, replaced = Stop(), {}
    try:
        for number, default in DEFAULTS.items():
            if signal.getsignal(number) is default:
                replaced[number] = signal.signal(number, stop.handle)
    except ValueError:  # not in the main thread, which alone handles signals
        replaced = {}
    try:
        yield stop
    finally:
        if not to_the_end:
            for number, handler in replaced.items():
                signal.signal(number, handler)

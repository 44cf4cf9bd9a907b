"""Notifications to a caller while designs train."""

import warnings
from collections.abc import Sequence

from convblocks.records import Design, Epoch, Run, Study


class Watcher:
    """Methods that compare calls while it runs; override those that you need."""

    def on_reading(self, name: str) -> None:
        """The data are read next, and the designs are then matched, before training begins."""

    def on_start(self, study: Study, designs: Sequence[Design], done: Sequence[Run]) -> None:
        """Everything is listed and matched; training begins."""

    def on_epoch(self, design: Design, seed: int, epoch: Epoch) -> None:
        """A run has finished one more epoch."""

    def on_run(self, design: Design, run: Run) -> None:
        """A run is done and on disk."""

    def on_notice(self, text: str) -> None:
        """Something on disk could not be used and is made again; by default a warning."""
        warnings.warn(text, RuntimeWarning, stacklevel=2)

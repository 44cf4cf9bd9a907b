"""Watcher: hears of each step while designs train."""

import warnings
from collections.abc import Sequence

from convblocks.records import Design, Epoch, Run, Study


class Watcher:
    """Hears of what happens while a compare or a search runs. Override the methods that you need."""

    def on_reading(self, name: str) -> None:
        """Is called before the data are read and the designs matched."""

    def on_start(self, study: Study, designs: Sequence[Design], done: Sequence[Run]) -> None:
        """Is called when everything is listed and matched, and training begins."""

    def on_epoch(self, design: Design, seed: int, epoch: Epoch) -> None:
        """Is called after each epoch of a run."""

    def on_run(self, design: Design, run: Run) -> None:
        """Is called when a run is done and on disk."""

    def on_notice(self, text: str) -> None:
        """Is called where something on disk cannot be used and is made again; warns by default."""
        warnings.warn(text, RuntimeWarning, stacklevel=2)

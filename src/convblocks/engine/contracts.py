"""The engine's two contracts: a Proposer says what to train next, an Executor trains it.

    proposer ── Trial ──→ run.py ── submit ──→ executor
             ←─ Run ────         ←─ events ──

`grid.py` is a proposer, `local_processes.py` an executor.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from convblocks.records import Design, Epoch, Run


@dataclass(frozen=True)
class Trial:
    """One training: a design with a seed. The same design and seed are the same trial."""

    design: Design
    seed: int


class Proposer(Protocol):
    """Chooses what to train.

    The folder is the state: a search that was killed starts again from a new proposer, whose trials that the folder has
    are answered from there. So a proposer's choices follow from its arguments and from what it is told, and from
    nothing else.
    """

    def propose(self) -> Trial | None:
        """Returns the next trial.

        None means that there is none before another result; it ends the search where no trial is under way. A trial
        that is under way already counts as None. Its seed must be one of the study's.
        """

    def should_stop(self, trial: Trial, epochs: Sequence[Epoch]) -> bool:
        """Returns whether to end a trial early, after `epochs`; it is asked after each of them but the last."""

    def on_run(self, trial: Trial, run: Run) -> None:
        """Takes the result of a trial; `run.stopped` is the number of epochs where it was ended early, else 0."""


@dataclass(frozen=True)
class EpochEnded:
    """A trial has trained one more epoch."""

    trial: Trial
    epoch: Epoch


@dataclass(frozen=True)
class Notice:
    """Something that the user should know of a trial: its checkpoint could not be used, for example."""

    trial: Trial
    text: str


@dataclass(frozen=True)
class StopCheck:
    """A trial may be ended early, after `epochs`: by `cancel`, before the next event is taken."""

    trial: Trial
    epochs: tuple[Epoch, ...]


@dataclass(frozen=True)
class RunEnded:
    """A trial is done, and its run and weights are in the folder."""

    trial: Trial
    run: Run


Event = EpochEnded | Notice | StopCheck | RunEnded


class Executor(Protocol):
    """Trains trials, several at a time, and writes their runs into the folder."""

    @property
    def free(self) -> int:
        """Number of trials that can start now."""

    def submit(self, trial: Trial) -> None:
        """Starts a trial. At least one place must be free."""

    def events(self) -> Iterator[Event]:
        """Yields what happens, as it does, until no trial is under way; trials may be submitted meanwhile.

        Raises:
            RunError: if a trial fails or its process dies. What has ended before is yielded first.
        """

    def cancel(self, trial: Trial) -> None:
        """Ends a trial at its next `StopCheck`, or at the one that is being handled; its run is recorded as stopped."""
